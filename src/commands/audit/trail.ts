import { LRUCache } from 'lru-cache'
import type { AuditEvent } from '../../domain/audit/events.ts'
import { toStored } from '../../domain/kernel/codec.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

export type Access = Omit<AuditEvent, 'type' | 'request'>
/** `request`: the route's pattern, or the command of the CLI. */
export type RecordAccess = (access: Access & { readonly request: string }, context: CommandContext) => Promise<void>

export type AuditTrail = {
  /**
   * Durable when it resolves, in a commit shared with whatever else is being appended. Start it beside the read and await it before the answer leaves:
   * then nobody has seen what no entry tells of.
   * @throws StoreUnavailable the read is refused then: what cannot be put on record is not shown
   */
  readonly recordAccess: RecordAccess
  /** The operator uses `request` (a route's pattern) within a tenant: once in five minutes per route, or every look at a list would be an entry. */
  readonly recordVisit: (request: string, context: CommandContext) => Promise<void>
  /**
   * The client's address for the envelope of what a request does. Sealed, since it is personal data of whoever sits there, and under a key of its month:
   * to forget the addresses of a month is to destroy one key. Bound to the request (its correlation id), whose events all carry the same ciphertext.
   */
  readonly sealAddress: (
    address: string,
    request: { readonly tenantId: string; readonly correlationId: string; readonly at: Date },
  ) => Promise<string>
}

const visitMs = 300_000

export function createAuditTrail({ store, vault }: { store: Pick<EventStore, 'append'>; vault: Pick<Vault, 'seal' | 'ensure' | 'has'> }): AuditTrail {
  const visits = new LRUCache<string, Promise<void>>({ max: 10_000, ttl: visitMs })

  const recordAccess: RecordAccess = async (access, context) => {
    const stream = streamRef('audit', context.tenantId, context.at.toISOString().slice(0, 10))
    const event = toStored({ type: 'AccessRecorded', ...access } satisfies AuditEvent, { stream, index: 0, subject: 'audit' }, context, vault)
    await store.append({ stream, expected: 'any', events: [event] })
  }

  return {
    recordAccess,
    recordVisit(request, context) {
      const key = `${context.tenantId} ${context.actor.id} ${request}`
      const known = visits.get(key)
      if (known !== undefined) return known
      const visit = recordAccess({ what: 'operator_entered', request }, context)
      visits.set(key, visit)
      // What was not recorded has to be recorded by the next one.
      visit.catch(() => visits.delete(key))
      return visit
    },
    async sealAddress(address, { tenantId, correlationId, at }) {
      const subject = addressSubject(at)
      if (!vault.has(tenantId, subject)) await vault.ensure(tenantId, [subject])
      return vault.seal({ tenantId, subject, eventId: correlationId, field: 'ip' }, address)
    },
  }
}

/** The same request within an organisation that the platform reaches into. Its address was sealed for the platform: sealed anew, or the organisation's audit trail could not open it. */
export async function reachInto(tenantId: string, context: CommandContext, vault: Pick<Vault, 'seal' | 'ensure' | 'open'>): Promise<CommandContext> {
  if (tenantId === context.tenantId) return context
  const { ip, ...rest } = context
  if (ip === undefined) return { ...rest, tenantId }
  const bound = { subject: addressSubject(context.at), eventId: context.correlationId, field: 'ip' }
  const address = await vault.open({ ...bound, tenantId: context.tenantId }, ip)
  if ('erased' in address) return { ...rest, tenantId }
  await vault.ensure(tenantId, [bound.subject])
  return { ...rest, tenantId, ip: vault.seal({ ...bound, tenantId }, address.text) }
}

/** Before the month in the names of the keys that seal addresses. */
export const addressSubjects = 'addresses:'
/** Whose key seals the addresses of a moment: its month's. */
export const addressSubject = (at: Date): string => `${addressSubjects}${at.toISOString().slice(0, 7)}`
