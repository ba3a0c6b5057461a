import { z } from 'zod'
import { optionalText, text } from './fields.ts'
import { namedFile, plainFile } from './media.ts'

/**
 * The form of a template message. Whether its values fit the template as it is approved is another question, answered where templates are known.
 * Loose where Meta's pages disagree about what else may stand there.
 */
const named = { parameter_name: text(100).optional() }
const parameter = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: text(32_768), ...named }),
  z.strictObject({
    type: z.literal('currency'),
    currency: z.strictObject({ fallback_value: text(1024), code: z.string().length(3), amount_1000: z.number().int() }),
    ...named,
  }),
  z.strictObject({ type: z.literal('date_time'), date_time: z.looseObject({ fallback_value: text(1024) }), ...named }),
  z.strictObject({ type: z.literal('image'), image: plainFile }),
  z.strictObject({ type: z.literal('video'), video: plainFile }),
  z.strictObject({ type: z.literal('gif'), gif: plainFile }),
  z.strictObject({ type: z.literal('document'), document: namedFile }),
  z.strictObject({
    type: z.literal('location'),
    location: z.strictObject({
      latitude: z.union([z.number(), z.string()]),
      longitude: z.union([z.number(), z.string()]),
      name: optionalText(1000),
      address: optionalText(1000),
    }),
  }),
  z.strictObject({ type: z.literal('payload'), payload: text(512) }),
  z.strictObject({ type: z.literal('coupon_code'), coupon_code: text(20) }),
  z.strictObject({ type: z.literal('action'), action: z.looseObject({}) }),
  z.strictObject({ type: z.literal('product'), product: z.looseObject({ product_retailer_id: text(100) }) }),
  z.strictObject({ type: z.literal('limited_time_offer'), limited_time_offer: z.strictObject({ expiration_time_ms: z.number().int().positive() }) }),
  z.strictObject({ type: z.literal('ttl_minutes'), ttl_minutes: z.number().int().positive() }),
])
const parameters = z.array(parameter).max(100)

const subTypes = [
  'quick_reply',
  'url',
  'copy_code',
  'flow',
  'catalog',
  'mpm',
  'spm',
  'voice_call',
  'order_details',
  'otp',
  'request_contact_info',
] as const
const button = z.strictObject({
  type: z.literal('button'),
  sub_type: z.enum(subTypes),
  index: z.union([z.string().regex(/^\d$/), z.number().int().min(0).max(9).transform(String)]).meta({ type: 'string' }),
  parameters: parameters.optional(),
})
const inner = [
  z.strictObject({ type: z.literal('header'), parameters: parameters.max(1) }),
  z.strictObject({ type: z.literal('body'), parameters }),
  button,
] as const
/** Samples of Meta write `BODY` and `QUICK_REPLY` here and there; it is the same. */
function lowered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { type, sub_type: subType } = value as { type?: unknown; sub_type?: unknown }
  return {
    ...value,
    ...(typeof type === 'string' ? { type: type.toLowerCase() } : {}),
    ...(typeof subType === 'string' ? { sub_type: subType.toLowerCase() } : {}),
  }
}

const card = z.strictObject({
  card_index: z.number().int().min(0).max(9),
  components: z.array(z.preprocess(lowered, z.discriminatedUnion('type', [...inner]))).max(20),
})

const component = z.discriminatedUnion('type', [
  ...inner,
  z.strictObject({ type: z.literal('footer'), parameters: parameters.optional() }),
  z.strictObject({ type: z.literal('carousel'), cards: z.array(card).min(1).max(10) }),
  z.strictObject({ type: z.literal('limited_time_offer'), parameters }),
])

export const template = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[a-z0-9_]+$/, 'has lower-case letters, digits and underscores only'),
  language: z.strictObject({ code: z.string().min(2).max(16), policy: z.literal('deterministic').optional() }),
  components: z.array(z.preprocess(lowered, component)).max(20).optional(),
})
