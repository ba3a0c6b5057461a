import type { z } from 'zod'
import { accountEvent } from './account/events.ts'
import { alertEvent } from './alert/events.ts'
import { auditEvent } from './audit/events.ts'
import { channelEvent } from './channel/events.ts'
import { claimEvent } from './claim/events.ts'
import { contactEvent } from './contact/events.ts'
import { conversationEvent } from './conversation/events.ts'
import { deliveryEvent } from './delivery/events.ts'
import type { Category } from './kernel/stream.ts'
import { mediaEvent } from './media/events.ts'
import { parkingEvent } from './parking/events.ts'
import { replayEvent } from './replay/events.ts'
import { templateEvent } from './template/events.ts'
import { tenantEvent } from './tenant/events.ts'
import { userEvent } from './user/events.ts'

/** Every event that a stream of a category may hold. The catalogue in docs/reference/events.md is generated from this. */
export const eventsOf = {
  tenant: tenantEvent,
  claim: claimEvent,
  channel: channelEvent,
  contact: contactEvent,
  conversation: conversationEvent,
  delivery: deliveryEvent,
  user: userEvent,
  template: templateEvent,
  account: accountEvent,
  alert: alertEvent,
  media: mediaEvent,
  audit: auditEvent,
  projection: parkingEvent,
  replay: replayEvent,
} as const satisfies Record<Category, z.ZodDiscriminatedUnion>

export type EventOf<C extends Category> = z.infer<(typeof eventsOf)[C]>
export type DomainEvent = { [C in Category]: EventOf<C> }[Category]
export type EventType = DomainEvent['type']
