import type { EventType } from '../../domain/catalogue.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// How much an organisation did on a day (UTC, by when it happened): one row per day. Only what happens once per message or per call is counted, so the
// counts do not depend on the order in which the provider's reports come.

export type UsageRow = {
  /** The day, `2026-01-31`. */
  readonly id: string
  readonly received: number
  readonly queued: number
  /** Calls to the provider that sent a message, or tried to. */
  readonly attempted: number
  readonly accepted: number
  readonly failed: number
  readonly unknown: number
}

const handles = [
  'MessageReceived',
  'MessageQueued',
  'SendAttempted',
  'SendAccepted',
  'SendFailed',
  'SendOutcomeUnknown',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

const counted = {
  MessageReceived: 'received',
  MessageQueued: 'queued',
  SendAttempted: 'attempted',
  SendAccepted: 'accepted',
  SendFailed: 'failed',
  SendOutcomeUnknown: 'unknown',
} as const satisfies Record<(typeof handles)[number], keyof UsageRow>

export const usage: Projection<UsageRow, Handled> = {
  name: 'usage',
  unhurried: true,
  version: 1,
  handles,
  table: {
    columns: { id: 'text', received: 'int4', queued: 'int4', attempted: 'int4', accepted: 'int4', failed: 'int4', unknown: 'int4' },
    indexes: [{ name: 'by_day', on: 'id', acrossTenants: true }],
    // The row of today is written with every page.
    fillfactor: 50,
  },
  key: (_event, at) => new Date(at.meta.occurredAt).toISOString().slice(0, 10),
  fold(row, event, at) {
    const known = row ?? {
      id: new Date(at.meta.occurredAt).toISOString().slice(0, 10),
      received: 0,
      queued: 0,
      attempted: 0,
      accepted: 0,
      failed: 0,
      unknown: 0,
    }
    const column = counted[event.type]
    return { ...known, [column]: known[column] + 1 }
  },
}
