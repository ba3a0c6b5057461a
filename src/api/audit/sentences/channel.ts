import type { ChannelEvent } from '../../../domain/channel/events.ts'
import { because, quoted, type Voice } from './voice.ts'

const what = { contacts: 'contacts', history: 'conversations' } as const

/** What happened to a number of the organisation. */
export function channelSentence(event: ChannelEvent, { by, thing }: Voice): string {
  switch (event.type) {
    case 'ChannelAdded':
      return `${by} added the channel ${quoted(event.name)}`
    case 'ChannelRenamed':
      return `${by} renamed ${thing} to ${quoted(event.name)}`
    case 'ChannelCredentialsChanged':
      return `${by} changed the credentials of ${thing}`
    case 'ChannelConnected':
      return event.verified ? `${by} connected ${thing}; the provider accepted its credentials` : `${by} connected ${thing} without a check`
    case 'ChannelCheckFailed':
      return `The check of ${thing} failed: ${event.error.title}`
    case 'ChannelNumberChanged':
      return `The provider changed ${Object.keys(event.facts).join(', ') || 'something'} of ${thing}`
    case 'ChannelProfileChanged':
      return `${by} changed the profile of ${thing} (${Object.keys(event.profile).join(', ')})`
    case 'ChannelSyncRequested':
      return `${by} asked the phone of ${thing} for its ${what[event.sync]}`
    case 'ChannelSyncBegun':
      return `The provider passed on that the ${what[event.sync]} of ${thing} are wanted`
    case 'ChannelSyncRefused':
      return `The ${what[event.sync]} of ${thing} cannot be had: ${event.error.title}`
    case 'ChannelDisconnected':
      return `${by} disconnected ${thing}${because(event.reason)}`
    case 'ChannelRemoved':
      return `${by} removed ${thing}`
    default:
      return event satisfies never
  }
}
