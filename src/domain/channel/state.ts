import type { ChannelError, ChannelEvent, NumberFacts } from './events.ts'

/**
 * added → connected ⇄ degraded, ⇄ disconnected, → removed for good. `degraded`: the provider refuses the credentials. `abandoned`: removed before it was ever added.
 * The credentials are not kept here: whoever calls the provider opens them from the log (see the directory).
 */
export type Channel = {
  readonly status: 'none' | 'added' | 'connected' | 'degraded' | 'disconnected' | 'removed' | 'abandoned'
  readonly name: string
  readonly phoneNumberId: string
  readonly wabaId: string
  readonly facts: NumberFacts
  /** When the provider last told of each fact unasked: news overtake each other, and the later one holds. */
  readonly told: Readonly<Partial<Record<keyof NumberFacts, string>>>
  readonly verified: boolean
  readonly error?: ChannelError
  /** The error came by a report on a message that the provider had taken. */
  readonly reported?: true
}

export const initial: Channel = { status: 'none', name: '', phoneNumberId: '', wabaId: '', facts: {}, told: {}, verified: false }

export function evolve(state: Channel, event: ChannelEvent): Channel {
  switch (event.type) {
    case 'ChannelAdded':
      return { ...state, status: 'added', name: event.name, phoneNumberId: event.phoneNumberId, wabaId: event.wabaId }
    case 'ChannelRenamed':
      return { ...state, name: event.name }
    case 'ChannelCredentialsChanged':
      return state
    case 'ChannelConnected': {
      const { error: _, reported: _told, ...rest } = state
      return { ...rest, status: 'connected', facts: { ...state.facts, ...event.facts }, verified: event.verified }
    }
    case 'ChannelCheckFailed': {
      const { reported: _, ...rest } = state
      // Only refused credentials stop a channel from working; a provider that was away says nothing about it.
      const status = event.credentials ? { status: 'degraded' as const } : {}
      return { ...rest, ...status, error: event.error, ...(event.reported === true ? { reported: true } : {}) }
    }
    case 'ChannelNumberChanged':
      return {
        ...state,
        facts: { ...state.facts, ...event.facts },
        told: { ...state.told, ...Object.fromEntries(Object.keys(event.facts).map((fact) => [fact, event.at])) },
      }
    case 'ChannelProfileChanged':
    case 'ChannelSyncRequested':
    case 'ChannelSyncBegun':
    case 'ChannelSyncRefused':
      return state
    case 'ChannelDisconnected':
      return { ...state, status: 'disconnected' }
    case 'ChannelRemoved':
      return { ...state, status: state.status === 'none' ? 'abandoned' : 'removed' }
    default:
      return event satisfies never
  }
}
