import type { EventType } from '../../domain/catalogue.ts'
import type { ChannelError, NumberFacts } from '../../domain/channel/events.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// The WhatsApp numbers of a tenant, without their credentials: whoever needs those folds the channel's stream.
// pending → connected ⇄ degraded → disconnected → connected …; a removed channel has no row.

export type ChannelStatus = 'pending' | 'connected' | 'degraded' | 'disconnected'
export type ChannelFailure = ChannelError & { readonly at: string }

export type ChannelRow = {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly status: string
  readonly phone: string | null
  readonly phoneNumberId: string
  readonly wabaId: string
  readonly verifiedName: string | null
  readonly qualityRating: string | null
  readonly throughput: string | null
  readonly messagingLimit: string | null
  /** What else the provider says of the number (see `numberFacts` of the channel's events), as JSON. */
  readonly number: string
  readonly lastError: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = [
  'ChannelAdded',
  'ChannelRenamed',
  'ChannelCredentialsChanged',
  'ChannelConnected',
  'ChannelCheckFailed',
  'ChannelNumberChanged',
  'ChannelProfileChanged',
  'ChannelSyncRequested',
  'ChannelSyncBegun',
  'ChannelSyncRefused',
  'ChannelDisconnected',
  'ChannelRemoved',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const channels: Projection<ChannelRow, Handled> = {
  name: 'channels',
  // 2: what the provider tells without being asked, and all that it says of the number.
  version: 2,
  handles,
  creates: ['ChannelAdded'],
  table: {
    columns: {
      id: 'text',
      kind: 'text',
      name: 'text',
      status: 'text',
      phone: 'text',
      phoneNumberId: 'text',
      wabaId: 'text',
      verifiedName: 'text',
      qualityRating: 'text',
      throughput: 'text',
      messagingLimit: 'text',
      number: 'json',
      lastError: 'json',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [
      { name: 'by_creation', on: 'created_at, id' },
      { name: 'by_status', on: 'status', acrossTenants: true },
    ],
  },
  home: 'channel',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    if (event.type === 'ChannelAdded') return added(event, at)
    if (event.type === 'ChannelRemoved') return 'delete'
    if (row === undefined) return undefined
    return { ...row, ...change(row, event, at), updatedAt: at.recordedAt, version: at.version }
  },
}

const added = (event: EventsOf<'ChannelAdded'>, at: RecordedEvent): ChannelRow => ({
  id: at.stream.id,
  kind: event.kind,
  name: event.name,
  status: 'pending',
  phone: null,
  phoneNumberId: event.phoneNumberId,
  wabaId: event.wabaId,
  verifiedName: null,
  qualityRating: null,
  throughput: null,
  messagingLimit: null,
  number: '{}',
  lastError: null,
  createdAt: at.recordedAt,
  updatedAt: at.recordedAt,
  version: at.version,
})

function change(row: ChannelRow, event: Exclude<Handled, EventsOf<'ChannelAdded' | 'ChannelRemoved'>>, at: RecordedEvent): Partial<ChannelRow> {
  switch (event.type) {
    case 'ChannelRenamed':
      return { name: event.name }
    case 'ChannelCredentialsChanged':
      return {}
    case 'ChannelConnected':
      return { status: 'connected', lastError: null, ...known(row, event.facts) }
    case 'ChannelNumberChanged':
      return known(row, event.facts)
    case 'ChannelProfileChanged':
    case 'ChannelSyncRequested':
    case 'ChannelSyncBegun':
    case 'ChannelSyncRefused':
      return {}
    case 'ChannelCheckFailed': {
      const failure: ChannelFailure = { ...event.error, at: new Date(at.meta.occurredAt).toISOString() }
      // Only refused credentials stop a channel from working; a provider that was unreachable says nothing about it. One that is off on purpose stays off.
      const degrades = event.credentials && row.status !== 'disconnected'
      return { lastError: JSON.stringify(failure), ...(degrades ? { status: 'degraded' } : {}) }
    }
    case 'ChannelDisconnected':
      return { status: 'disconnected' }
    default:
      return event satisfies never
  }
}

/** What the provider did not say this time stays as it was known. */
function known(row: ChannelRow, facts: NumberFacts): Partial<ChannelRow> {
  const { displayPhone, verifiedName, qualityRating, throughput, messagingLimit, ...number } = facts
  return {
    ...(displayPhone === undefined ? {} : { phone: displayPhone }),
    ...(verifiedName === undefined ? {} : { verifiedName }),
    ...(qualityRating === undefined ? {} : { qualityRating }),
    ...(throughput === undefined ? {} : { throughput }),
    ...(messagingLimit === undefined ? {} : { messagingLimit }),
    ...(Object.keys(number).length === 0 ? {} : { number: JSON.stringify({ ...(JSON.parse(row.number) as object), ...number }) }),
  }
}
