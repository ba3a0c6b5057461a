import type { z } from 'zod'
import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { ChannelError, ChannelEvent, NumberFacts, PhoneSync } from './events.ts'
import { evolve, initial, type Channel } from './state.ts'

/** Credentials that were checked at the provider come with what it said; `verified: false` when nobody asked it. */
export type Connection = { readonly verified: boolean; readonly facts: NumberFacts }
export type Credentials = { readonly accessToken?: string | undefined; readonly appSecret?: string | undefined }

export type AddChannel = {
  readonly type: 'add'
  readonly name: string
  readonly phoneNumberId: string
  readonly wabaId: string
  readonly accessToken: string
  readonly appSecret?: string | undefined
  readonly connection: Connection
}
export type ChannelCommand =
  | AddChannel
  /** Name, credentials or both. With `connection` when a new token was checked (or, unverified, when nobody should check it). */
  | ({ readonly type: 'change'; readonly name?: string | undefined; readonly connection?: Connection | undefined } & Credentials)
  | ({ readonly type: 'connect' } & Connection)
  /** What a check found. A channel that was disconnected on purpose stays so, whatever is found. */
  | { readonly type: 'recordCheck'; readonly facts: NumberFacts }
  | { readonly type: 'recordFailedCheck'; readonly error: ChannelError; readonly credentials: boolean; readonly reported?: true }
  /** What the provider told of the number without being asked. */
  | { readonly type: 'tell'; readonly facts: NumberFacts; readonly reason: string; readonly at: string }
  | { readonly type: 'changeProfile'; readonly profile: Readonly<Record<string, Json>> }
  | { readonly type: 'requestSync'; readonly sync: PhoneSync }
  | { readonly type: 'recordSync'; readonly sync: PhoneSync; readonly came: { readonly requestId?: string } | { readonly error: ChannelError } }
  | { readonly type: 'disconnect'; readonly reason?: string | undefined }
  | { readonly type: 'remove' }
  /** Somebody else wants the number that this channel claimed and never used, or no longer uses: see `abandon` of the tenant. */
  | { readonly type: 'abandon' }

export type ChannelRefusal = 'not_found' | 'channel_removed' | 'in_use'

function add(command: AddChannel, channel: Channel): Decision<ChannelEvent, ChannelRefusal> {
  if (channel.status === 'removed' || channel.status === 'abandoned') return refuse('channel_removed')
  if (channel.status !== 'none') return nothing
  const { name, phoneNumberId, wabaId, connection } = command
  const { verified, facts } = connection
  return happened(
    { type: 'ChannelAdded', kind: 'business', name, phoneNumberId, wabaId, ...sealable(command), accessToken: plain(command.accessToken) },
    { type: 'ChannelConnected', verified, facts },
  )
}

function connect({ verified, facts }: Connection, channel: Channel): { readonly events: readonly ChannelEvent[] } {
  const same =
    channel.status === 'connected' &&
    channel.error === undefined &&
    channel.verified === verified &&
    equal(channel.facts, { ...channel.facts, ...facts })
  return same ? nothing : happened({ type: 'ChannelConnected', verified, facts })
}

function changed({ name, connection, ...credentials }: Extract<ChannelCommand, { type: 'change' }>, channel: Channel): readonly ChannelEvent[] {
  const events: ChannelEvent[] = []
  if (name !== undefined && name !== channel.name) events.push({ type: 'ChannelRenamed', name })
  const secrets = sealable(credentials)
  if (Object.keys(secrets).length > 0) events.push({ type: 'ChannelCredentialsChanged', ...secrets })
  // New credentials do not turn a channel on that was turned off on purpose.
  if (connection !== undefined && channel.status !== 'disconnected') events.push(...connect(connection, channel).events)
  return events
}

const sealable = ({ accessToken, appSecret }: Credentials): { accessToken?: { plain: string }; appSecret?: { plain: string } } => ({
  ...(accessToken === undefined ? {} : { accessToken: { plain: accessToken } }),
  ...(appSecret === undefined ? {} : { appSecret: { plain: appSecret } }),
})

/** A fact heard of again at the same moment is a repeat. One that is confirmed at a later moment is kept, for an older one may still be on its way. */
function tell({ facts, reason, at }: Extract<ChannelCommand, { type: 'tell' }>, { told }: Channel): Decision<ChannelEvent, never> {
  const newer = Object.entries(facts).filter(([fact]) => at > (told[fact as keyof NumberFacts] ?? ''))
  return newer.length === 0 ? nothing : happened({ type: 'ChannelNumberChanged', facts: Object.fromEntries(newer), reason, at })
}

type Json = z.core.util.JSONType
type Flat = Readonly<Record<string, string | boolean | undefined>>
const equal = (a: Flat, b: Flat): boolean => [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => a[key] === b[key])

function decidePresent(
  command: Exclude<ChannelCommand, { type: 'add' | 'abandon' | 'remove' }>,
  channel: Channel,
): Decision<ChannelEvent, ChannelRefusal> {
  switch (command.type) {
    case 'change':
      return { events: changed(command, channel) }
    case 'connect':
      return connect(command, channel)
    case 'recordCheck':
      return channel.status === 'disconnected' ? nothing : connect({ verified: true, facts: command.facts }, channel)
    case 'recordFailedCheck': {
      const { error, credentials, reported } = command
      const known = channel.status === 'disconnected' || equal(channel.error ?? {}, error)
      return known ? nothing : happened({ type: 'ChannelCheckFailed', error, credentials, ...(reported === true ? { reported } : {}) })
    }
    case 'tell':
      return tell(command, channel)
    case 'changeProfile':
      return happened({ type: 'ChannelProfileChanged', profile: command.profile })
    case 'requestSync':
      return happened({ type: 'ChannelSyncRequested', sync: command.sync })
    case 'recordSync': {
      const { sync, came } = command
      return happened('error' in came ? { type: 'ChannelSyncRefused', sync, error: came.error } : { type: 'ChannelSyncBegun', sync, ...came })
    }
    case 'disconnect': {
      const { reason } = command
      return channel.status === 'disconnected' ? nothing : happened({ type: 'ChannelDisconnected', ...(reason === undefined ? {} : { reason }) })
    }
    default:
      return command satisfies never
  }
}

function decide(command: ChannelCommand, channel: Channel): Decision<ChannelEvent, ChannelRefusal> {
  const gone = channel.status === 'removed' || channel.status === 'abandoned'
  if (command.type === 'add') return add(command, channel)
  if (command.type === 'abandon') {
    if (gone) return nothing
    return channel.status === 'none' ? happened({ type: 'ChannelRemoved' }) : refuse('in_use')
  }
  if (channel.status === 'none' || channel.status === 'abandoned') return refuse('not_found')
  if (command.type === 'remove') return gone ? nothing : happened({ type: 'ChannelRemoved' })
  return gone ? refuse('channel_removed') : decidePresent(command, channel)
}

/** The subject under which a channel's credentials are sealed. */
export const channelSubject = (channelId: string): string => `channel:${channelId}`

export const channel: Aggregate<ChannelCommand, ChannelEvent, Channel, ChannelRefusal> = {
  category: 'channel',
  initial,
  evolve,
  decide,
  subject: channelSubject,
}
