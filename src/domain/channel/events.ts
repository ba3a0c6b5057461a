import { z } from 'zod'
import { secret } from '../kernel/secret.ts'

/** What the provider says of a number; kept as it says it. */
const numberFacts = z.object({
  displayPhone: z.string().optional(),
  verifiedName: z.string().optional(),
  qualityRating: z.string().optional(),
  throughput: z.string().optional(),
  /** `TIER_2K` and the like: how many people a day the portfolio may write to first. */
  messagingLimit: z.string().optional(),
  /** CONNECTED, FLAGGED, RESTRICTED … */
  numberStatus: z.string().optional(),
  nameStatus: z.string().optional(),
  /** Of a display name that was asked for and is not yet in use. */
  newNameStatus: z.string().optional(),
  platformType: z.string().optional(),
  codeVerification: z.string().optional(),
  accountMode: z.string().optional(),
  /** The number is also on a phone with the WhatsApp Business app (coexistence). */
  onBusinessApp: z.boolean().optional(),
  officialAccount: z.boolean().optional(),
  pinEnabled: z.boolean().optional(),
  /** The business's own username; empty when it has none any more. */
  username: z.string().optional(),
})

/** What a phone can be asked for once, within 24 hours of its connection. */
const phoneSync = z.enum(['contacts', 'history'])

const channelError = z.object({ code: z.string(), title: z.string(), detail: z.string().optional() })

/** A WhatsApp number that a tenant connected. Its credentials are sealed under the subject `channel:<id>`. */
export const channelEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ChannelAdded'),
    kind: z.literal('business'),
    name: z.string(),
    phoneNumberId: z.string(),
    wabaId: z.string(),
    accessToken: secret,
    appSecret: secret.optional(),
  }),
  z.object({ type: z.literal('ChannelRenamed'), name: z.string() }),
  z.object({ type: z.literal('ChannelCredentialsChanged'), accessToken: secret.optional(), appSecret: secret.optional() }),
  /** The provider accepted the credentials (or, with `verified: false`, the tenant asked not to check them). */
  z.object({ type: z.literal('ChannelConnected'), verified: z.boolean(), facts: numberFacts }),
  /** `reported`: of a message that the provider had taken, and could not deliver for the account's sake. Its taking another one proves nothing. */
  z.object({ type: z.literal('ChannelCheckFailed'), error: channelError, credentials: z.boolean(), reported: z.literal(true).optional() }),
  /** The provider told of a change of the number without being asked (quality, limit, name). Only what changed. */
  z.object({ type: z.literal('ChannelNumberChanged'), facts: numberFacts, reason: z.string(), at: z.iso.datetime() }),
  z.object({ type: z.literal('ChannelProfileChanged'), profile: z.record(z.string(), z.json()) }),
  /** The phone of a coexistence number is asked for what it knows: once per connection, and what it then shares becomes contacts and messages. */
  z.object({ type: z.literal('ChannelSyncRequested'), sync: phoneSync }),
  /** The provider passed it on. */
  z.object({ type: z.literal('ChannelSyncBegun'), sync: phoneSync, requestId: z.string().optional() }),
  z.object({ type: z.literal('ChannelSyncRefused'), sync: phoneSync, error: channelError }),
  z.object({ type: z.literal('ChannelDisconnected'), reason: z.string().optional() }),
  z.object({ type: z.literal('ChannelRemoved') }),
])
export type ChannelEvent = z.infer<typeof channelEvent>
export type NumberFacts = z.infer<typeof numberFacts>
export type PhoneSync = z.infer<typeof phoneSync>
export type ChannelError = z.infer<typeof channelError>
