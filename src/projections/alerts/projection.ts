import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// What a person of the organisation should look at. open ⇄ resolved, by the moments that the events name and not by their order: a resolution that overtakes
// its raise waits in a row without `raisedAt`, which the queries do not show.

export type AlertRow = {
  readonly id: string
  readonly key: string
  readonly code: string
  readonly severity: string
  readonly title: string
  readonly detail: string | null
  readonly entity: string | null
  readonly status: string
  /** When it was raised last. */
  readonly raisedAt: Date | null
  readonly firstRaisedAt: Date | null
  readonly resolvedAt: Date | null
  readonly resolvedBy: string | null
  readonly reason: string | null
  readonly version: number
}

const handles = ['AlertRaised', 'AlertResolved'] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const alerts: Projection<AlertRow, Handled> = {
  name: 'alerts',
  version: 1,
  handles,
  table: {
    columns: {
      id: 'text',
      key: 'text',
      code: 'text',
      severity: 'text',
      title: 'text',
      detail: 'text',
      entity: 'json',
      status: 'text',
      raisedAt: 'timestamptz',
      firstRaisedAt: 'timestamptz',
      resolvedAt: 'timestamptz',
      resolvedBy: 'json',
      reason: 'text',
      version: 'int4',
    },
    indexes: [
      { name: 'by_time', on: 'raised_at desc, id' },
      { name: 'open_ones', on: 'code', where: "status = 'open'", acrossTenants: true },
    ],
  },
  home: 'alert',
  key: (_event, at) => at.stream.id,
  fold(row = none, event, at) {
    const known = { ...row, id: at.stream.id, version: at.version }
    return settled(event.type === 'AlertRaised' ? raised(known, event) : resolved(known, event, at))
  },
}

const none: AlertRow = {
  id: '',
  key: '',
  code: '',
  severity: 'info',
  title: '',
  detail: null,
  entity: null,
  status: 'resolved',
  raisedAt: null,
  firstRaisedAt: null,
  resolvedAt: null,
  resolvedBy: null,
  reason: null,
  version: 0,
}

function raised(row: AlertRow, { key, code, severity, title, detail, entity, at }: EventsOf<'AlertRaised'>): AlertRow {
  const moment = new Date(at)
  return {
    ...row,
    key,
    code,
    severity,
    title,
    detail: detail ?? null,
    entity: entity === undefined ? null : JSON.stringify(entity),
    raisedAt: moment,
    firstRaisedAt: row.firstRaisedAt ?? moment,
  }
}

const resolved = (row: AlertRow, { at, reason }: EventsOf<'AlertResolved'>, { meta }: RecordedEvent): AlertRow => ({
  ...row,
  resolvedAt: new Date(at),
  resolvedBy: JSON.stringify(meta.actor),
  reason: reason ?? null,
})

function settled(row: AlertRow): AlertRow {
  const { raisedAt, resolvedAt } = row
  return { ...row, status: raisedAt !== null && (resolvedAt === null || raisedAt > resolvedAt) ? 'open' : 'resolved' }
}
