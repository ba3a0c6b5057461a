import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// Raw inbound deliveries and what became of them: received → parked | failed | processed; parked → processed once it was handed over.
// Version 2: a failure says what kind of item it was and on which number (2026-11).
// A delivery that simply went through has no further event: the queries call it processed when the intake's checkpoint has passed `position`.

export type DeliveryFailure = { readonly path: string; readonly error: string; readonly item?: string; readonly phoneNumberId?: string }

export type DeliveryRow = {
  readonly id: string
  readonly state: string
  readonly provider: string
  readonly app: string
  readonly sha256: string
  readonly bytes: number
  readonly partOf: string | null
  readonly parkedReason: string | null
  readonly parkedDetail: string | null
  readonly phoneNumberIds: string
  readonly wabaIds: string
  readonly failures: string
  readonly replays: number
  readonly receivedAt: Date
  readonly updatedAt: Date
  readonly position: string
  readonly version: number
}

const handles = [
  'WebhookReceived',
  'DeliveryParked',
  'DeliveryItemFailed',
  'DeliveryRouted',
  'DeliveryReplayed',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

/** A delivery may hold a thousand items; the first ones tell what is wrong, the log has them all. */
const mostFailures = 50

export const deliveries: Projection<DeliveryRow, Handled> = {
  name: 'deliveries',
  unhurried: true,
  version: 2,
  handles,
  creates: ['WebhookReceived'],
  table: {
    columns: {
      id: 'text',
      state: 'text',
      provider: 'text',
      app: 'text',
      sha256: 'text',
      bytes: 'int4',
      partOf: 'text',
      parkedReason: 'text',
      parkedDetail: 'text',
      phoneNumberIds: 'json',
      wabaIds: 'json',
      failures: 'json',
      replays: 'int4',
      receivedAt: 'timestamptz',
      updatedAt: 'timestamptz',
      position: 'int8',
      version: 'int4',
    },
    indexes: [
      { name: 'by_position', on: 'position' },
      { name: 'troubled', on: 'state, position', where: "state in ('parked', 'failed')" },
    ],
  },
  home: 'delivery',
  key: (_event, at) => at.stream.id,
  // Hardly any has a further event, and then the first one comes in a later page.
  settled: () => true,
  fold(row, event, at) {
    if (event.type === 'WebhookReceived') return row ?? received(event, at)
    if (row === undefined) return undefined
    return { ...row, ...change(row, event), updatedAt: at.recordedAt, version: at.version }
  },
}

const received = (event: EventsOf<'WebhookReceived'>, at: RecordedEvent): DeliveryRow => ({
  id: at.stream.id,
  state: 'received',
  provider: event.provider,
  app: event.app,
  sha256: event.sha256,
  bytes: event.bytes,
  partOf: event.partOf ?? null,
  parkedReason: null,
  parkedDetail: null,
  phoneNumberIds: '[]',
  wabaIds: '[]',
  failures: '[]',
  replays: 0,
  receivedAt: at.recordedAt,
  updatedAt: at.recordedAt,
  position: BigInt(at.position).toString(),
  version: at.version,
})

function change(row: DeliveryRow, event: Exclude<Handled, EventsOf<'WebhookReceived'>>): Partial<DeliveryRow> {
  switch (event.type) {
    case 'DeliveryParked':
      return {
        state: 'parked',
        parkedReason: event.reason,
        parkedDetail: event.detail,
        phoneNumberIds: JSON.stringify(event.phoneNumberIds),
        wabaIds: JSON.stringify(event.wabaIds),
      }
    case 'DeliveryItemFailed': {
      const failures = JSON.parse(row.failures) as DeliveryFailure[]
      if (failures.length >= mostFailures) return { state: 'failed' }
      const { path, error, item, phoneNumberId } = event
      const failure = { path, error, ...(item === undefined ? {} : { item }), ...(phoneNumberId === undefined ? {} : { phoneNumberId }) }
      return { state: 'failed', failures: JSON.stringify([...failures, failure satisfies DeliveryFailure]) }
    }
    case 'DeliveryRouted':
      return { state: 'processed' }
    case 'DeliveryReplayed':
      // A replay that left nothing undone wipes the slate; one that did not has said what failed in events of its own, before this one.
      return event.failed === 0 ? { state: 'processed', failures: '[]', replays: row.replays + 1 } : { state: 'failed', replays: row.replays + 1 }
    default:
      return event satisfies never
  }
}
