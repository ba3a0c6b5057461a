import { z } from 'zod'
import { contacts } from './outgoing/contacts.ts'
import { optionalText, text } from './outgoing/fields.ts'
import { interactive } from './outgoing/interactive.ts'
import { audio, document, image, sticker, video } from './outgoing/media.ts'
import { reaction } from './outgoing/reaction.ts'
import { template } from './outgoing/template.ts'

/**
 * What may be asked to be sent: Meta's send body (Cloud API v26, POST /{phone-number-id}/messages) without the address.
 * Limits are Meta's; they are checked here so that a mistake is answered at once and not by a failed message minutes later.
 * Not here: what goes to groups only (`recipient_type: "group"`, `pin`), because a conversation is with one contact.
 */
const location = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  name: optionalText(1000),
  address: optionalText(1000),
})

/** The object of each type that may be sent. */
const objects = {
  text: z.strictObject({ body: text(4096), preview_url: z.boolean().optional() }),
  image,
  video,
  audio,
  document,
  sticker,
  location,
  contacts,
  interactive,
  template,
  reaction,
}

// oxlint-disable-next-line no-control-regex -- control characters are what it is about: PostgreSQL text cannot hold U+0000 at all
const printable = /^[^\u0000-\u001f\u007f]*$/

/** The fields of Meta's body beside the object. */
const envelope = {
  messaging_product: z.literal('whatsapp').optional(),
  recipient_type: z.literal('individual').optional(),
  /** The caller's own: kept with the message and shown with it. What Meta gets is ours, by which its reports find the message. */
  biz_opaque_callback_data: z.string().max(512).optional(),
  /** Meta delivers only while the customer's identity has this hash. */
  recipient_identity_key_hash: z.string().min(1).max(512).regex(printable, 'must not contain control characters').optional(),
  /** The message answered: Meta's id (`wamid.…`) or ours. */
  context: z.strictObject({ message_id: z.string().min(1).max(512).regex(printable, 'must not contain control characters') }).optional(),
}

/** A reaction stands on the message that it names; it cannot be a reply as well. */
const { context: _, ...withoutReply } = envelope

type Objects = typeof objects
export type OutgoingType = keyof Objects
export const outgoingTypes = Object.keys(objects) as readonly OutgoingType[]

const typed = <Type extends OutgoingType, Address extends z.ZodRawShape>(type: Type, address: Address) =>
  z.strictObject({ ...envelope, ...address, type: z.literal(type), [type]: objects[type] } as unknown as typeof envelope &
    Address & { type: z.ZodLiteral<Type> } & { [K in Type]: Objects[K] })

/** `{ "text": "Hi" }` is short for the message that is sent most, and a body with one object of a known type need not say which. */
function lengthen(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || 'type' in body) return body
  if ('text' in body && typeof body.text === 'string') return { ...body, type: 'text', text: { body: body.text } }
  const [type, another] = outgoingTypes.filter((known) => Object.hasOwn(body, known))
  return type === undefined || another !== undefined ? body : { ...body, type }
}

/** The body of a send request; `address` are the fields that say to whom, where the address of the request does not. */
export const outgoingBody = <Address extends z.ZodRawShape>(address: Address) =>
  z.preprocess(
    lengthen,
    z.discriminatedUnion('type', [
      typed('text', address),
      typed('image', address),
      typed('video', address),
      typed('audio', address),
      typed('document', address),
      typed('sticker', address),
      typed('location', address),
      typed('contacts', address),
      typed('interactive', address),
      typed('template', address),
      z.strictObject({ ...withoutReply, ...address, type: z.literal('reaction'), reaction }),
    ]),
  )

/** A message to be sent, as the conversation takes it: its type, Meta's object of that type, and what it answers. */
export type OutgoingContent = {
  readonly type: OutgoingType
  readonly object: unknown
  readonly contextId?: string
  /** The caller's own `biz_opaque_callback_data`. */
  readonly callbackData?: string
  readonly identityKeyHash?: string
}

/** A parsed body in the shape the conversation takes. */
export function outgoingContent(parsed: {
  readonly type: OutgoingType
  readonly context?: { readonly message_id: string } | undefined
  readonly biz_opaque_callback_data?: string | undefined
  readonly recipient_identity_key_hash?: string | undefined
}): OutgoingContent {
  const { type, context, biz_opaque_callback_data: callbackData, recipient_identity_key_hash: identityKeyHash } = parsed
  return {
    type,
    object: (parsed as Readonly<Record<string, unknown>>)[type],
    ...(context === undefined ? {} : { contextId: context.message_id }),
    ...(callbackData === undefined ? {} : { callbackData }),
    ...(identityKeyHash === undefined ? {} : { identityKeyHash }),
  }
}
