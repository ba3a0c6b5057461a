import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import type { AlertCode, Severity } from './codes.ts'
import type { AlertEvent } from './events.ts'

/**
 * none → open ⇄ resolved. Invariant: open if and only if the latest raise is later than the latest resolution, in whatever order the two were heard of.
 * So a raise or a resolution is kept when it is the latest of its kind, also a resolution that comes before the raise it ends.
 */
export type Alert = { readonly raisedAt?: string; readonly resolvedAt?: string; readonly severity?: Severity }

export type RaiseAlert = {
  readonly type: 'raise'
  /** Names the trouble within the tenant, e.g. `channel_credentials:<channel id>`. */
  readonly key: string
  readonly severity: Severity
  readonly code: AlertCode
  readonly title: string
  readonly detail?: string | undefined
  readonly entity?: { readonly type: string; readonly id: string } | undefined
  readonly at: string
  /** Each raise is something new that the provider said, and is kept though the alert is open. Without it, one that is open already stays as it is. */
  readonly again?: boolean | undefined
}
export type ResolveAlert = {
  readonly type: 'resolve'
  readonly reason?: string | undefined
  readonly at: string
  /** The raise that this ends may come later, because deliveries overtake each other. */
  readonly ahead?: boolean | undefined
}
export type AlertCommand = RaiseAlert | ResolveAlert

export const isOpen = ({ raisedAt, resolvedAt }: Alert): boolean => raisedAt !== undefined && (resolvedAt === undefined || raisedAt > resolvedAt)

function evolve(state: Alert, event: AlertEvent): Alert {
  switch (event.type) {
    case 'AlertRaised':
      return { ...state, raisedAt: event.at, severity: event.severity }
    case 'AlertResolved':
      return { ...state, resolvedAt: event.at }
    default:
      return event satisfies never
  }
}

function raise({ key, severity, code, title, detail, entity, at, again }: RaiseAlert, alert: Alert): Decision<AlertEvent, never> {
  if (alert.raisedAt !== undefined && at <= alert.raisedAt) return nothing
  if (isOpen(alert) && again !== true && severity === alert.severity) return nothing
  const more = { ...(detail === undefined ? {} : { detail }), ...(entity === undefined ? {} : { entity }) }
  return happened({ type: 'AlertRaised', key, severity, code, title, ...more, at })
}

function resolve({ reason, at, ahead }: ResolveAlert, alert: Alert): Decision<AlertEvent, 'not_found'> {
  if (alert.raisedAt === undefined && ahead !== true) return refuse('not_found')
  if (alert.resolvedAt !== undefined && at <= alert.resolvedAt) return nothing
  if (ahead !== true && !isOpen(alert)) return nothing
  return happened({ type: 'AlertResolved', ...(reason === undefined ? {} : { reason }), at })
}

export const alert: Aggregate<AlertCommand, AlertEvent, Alert, 'not_found'> = {
  category: 'alert',
  initial: {},
  evolve,
  decide: (command, state) => (command.type === 'raise' ? raise(command, state) : resolve(command, state)),
  subject: (id) => `alert:${id}`,
}

export const alertId = (tenantId: string, key: string): string => derivedId('alert', tenantId, key)
