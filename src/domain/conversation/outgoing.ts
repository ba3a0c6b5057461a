import { z } from 'zod'

/**
 * What may be asked to be sent: Meta's send body (Cloud API v26, POST /{phone-number-id}/messages) without the address.
 * Limits are Meta's; they are checked here so that a mistake is answered at once and not by a failed message minutes later.
 * Not yet here: `reaction` (it changes another message's row instead of being one) and the group-only `pin`.
 */
const link = z.url({ protocol: /^https?$/ }).max(2048)
const caption = z.string().max(1024).optional()
const body = (max: number) => z.strictObject({ text: z.string().min(1).max(max) })
const footer = z.strictObject({ text: z.string().min(1).max(60) }).optional()

/** A file by Meta's id or by a link that Meta fetches: exactly one of the two. */
const media = <Extra extends z.ZodRawShape>(extra: Extra) =>
  z
    .strictObject({ id: z.string().min(1).max(200).optional(), link: link.optional(), ...extra })
    .refine((file: { id?: unknown; link?: unknown }) => (file.id === undefined) !== (file.link === undefined), 'Give either `id` or `link`.')

const image = media({ caption })
const video = media({ caption })
const audio = media({ voice: z.boolean().optional() })
const document = media({ caption, filename: z.string().min(1).max(240).optional() })
const sticker = media({})

const location = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  name: z.string().max(1000).optional(),
  address: z.string().max(1000).optional(),
})

const contactCard = z.looseObject({ name: z.looseObject({ formatted_name: z.string().min(1).max(1000) }) })

const textHeader = z.strictObject({ type: z.literal('text'), text: z.string().min(1).max(60) })
const header = z.discriminatedUnion('type', [
  textHeader,
  z.strictObject({ type: z.literal('image'), image: media({}) }),
  z.strictObject({ type: z.literal('video'), video: media({}) }),
  z.strictObject({ type: z.literal('document'), document: media({ filename: z.string().min(1).max(240).optional() }) }),
])

const replyButton = z.strictObject({
  type: z.literal('reply'),
  reply: z.strictObject({ id: z.string().min(1).max(256), title: z.string().min(1).max(20) }),
})
const distinct = <T>(items: readonly T[], of: (item: T) => string): boolean => new Set(items.map(of)).size === items.length

const buttons = z.strictObject({
  type: z.literal('button'),
  header: header.optional(),
  body: body(1024),
  footer,
  action: z.strictObject({
    buttons: z
      .array(replyButton)
      .min(1)
      .max(3)
      .refine((all) => distinct(all, (one) => one.reply.id) && distinct(all, (one) => one.reply.title), 'Ids and titles of buttons must differ.'),
  }),
})

const row = z.strictObject({ id: z.string().min(1).max(200), title: z.string().min(1).max(24), description: z.string().max(72).optional() })
const list = z.strictObject({
  type: z.literal('list'),
  header: textHeader.optional(),
  body: body(4096),
  footer,
  action: z.strictObject({
    button: z.string().min(1).max(20),
    sections: z
      .array(z.strictObject({ title: z.string().min(1).max(24).optional(), rows: z.array(row).min(1) }))
      .min(1)
      .max(10)
      .refine((all) => all.reduce((rows, section) => rows + section.rows.length, 0) <= 10, 'A list has at most 10 rows in total.')
      .refine((all) => all.length === 1 || all.every((section) => section.title !== undefined), 'With several sections each needs a title.'),
  }),
})

const urlButton = z.strictObject({
  type: z.literal('cta_url'),
  header: header.optional(),
  body: body(1024),
  footer,
  action: z.strictObject({
    name: z.literal('cta_url'),
    parameters: z.strictObject({ display_text: z.string().min(1).max(20), url: link }),
  }),
})

const askLocation = z.strictObject({
  type: z.literal('location_request_message'),
  body: body(1024),
  action: z.strictObject({ name: z.literal('send_location') }),
})

/** Kinds whose parameters belong to other products of Meta (flows, catalogues, calls): their envelope is checked, the rest is Meta's to judge. */
const otherInteractive = z.looseObject({
  type: z.enum([
    'flow',
    'product',
    'product_list',
    'catalog_message',
    'address_message',
    'call_permission_request',
    'voice_call',
    'request_contact_info',
    'carousel',
  ]),
  action: z.looseObject({}),
})

const template = z.strictObject({
  name: z.string().min(1).max(512),
  language: z.looseObject({ code: z.string().min(2).max(16) }),
  components: z
    .array(z.looseObject({ type: z.string() }))
    .max(20)
    .optional(),
})

/** The object of each type that may be sent. */
const objects = {
  text: z.strictObject({ body: z.string().min(1).max(4096), preview_url: z.boolean().optional() }),
  image,
  video,
  audio,
  document,
  sticker,
  location,
  contacts: z.array(contactCard).min(1).max(257),
  interactive: z.union([z.discriminatedUnion('type', [buttons, list, urlButton, askLocation]), otherInteractive]),
  template,
}

// oxlint-disable-next-line no-control-regex -- control characters are what it is about: PostgreSQL text cannot hold U+0000 at all
const printable = /^[^\u0000-\u001f\u007f]*$/

/** Fields of Meta's body that say nothing new here, accepted so that an existing body can be sent as it is. */
const envelope = {
  messaging_product: z.literal('whatsapp').optional(),
  recipient_type: z.literal('individual').optional(),
  biz_opaque_callback_data: z.string().max(512).optional(),
  /** Taken and not passed on: Meta's check that the customer's identity has not changed is not made. */
  recipient_identity_key_hash: z.string().max(512).optional(),
  /** The message answered: Meta's id (`wamid.…`) or ours. */
  context: z.strictObject({ message_id: z.string().min(1).max(512).regex(printable, 'must not contain control characters') }).optional(),
}

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
    ]),
  )

/** A message to be sent, as the conversation takes it: its type, Meta's object of that type, and what it answers. */
export type OutgoingContent = { readonly type: OutgoingType; readonly object: unknown; readonly contextId?: string }

/** A parsed body in the shape the conversation takes. */
export function outgoingContent(parsed: {
  readonly type: OutgoingType
  readonly context?: { readonly message_id: string } | undefined
}): OutgoingContent {
  const contextId = parsed.context === undefined ? {} : { contextId: parsed.context.message_id }
  return { type: parsed.type, object: (parsed as Readonly<Record<string, unknown>>)[parsed.type], ...contextId }
}
