import { z } from 'zod'
import { distinct, optionalText, text } from './fields.ts'
import { body, footer, frame, textHeader, urlAction } from './interactive-parts.ts'

// Kinds that let the customer choose, tap or share.

const replyButton = z.strictObject({ type: z.literal('reply'), reply: z.strictObject({ id: text(256), title: text(20) }) })

export const buttons = z.strictObject({
  type: z.literal('button'),
  ...frame,
  action: z.strictObject({
    buttons: z
      .array(replyButton)
      .min(1)
      .max(3)
      .refine((all) => distinct(all, (one) => one.reply.id) && distinct(all, (one) => one.reply.title), 'Ids and titles of buttons must differ.'),
  }),
})

const row = z.strictObject({ id: text(200), title: text(24), description: optionalText(72) })
const sections = z
  .array(z.strictObject({ title: text(24).optional(), rows: z.array(row).min(1) }))
  .min(1)
  .max(10)
  .refine((all) => all.reduce((rows, section) => rows + section.rows.length, 0) <= 10, 'A list has at most 10 rows in total.')
  .refine((all) => all.length === 1 || all.every((section) => section.title !== undefined), 'With several sections each needs a title.')
  .refine(
    (all) =>
      distinct(
        all.flatMap((section) => section.rows),
        (one) => one.id,
      ),
    'Ids of rows must differ.',
  )

export const list = z.strictObject({
  type: z.literal('list'),
  header: textHeader.optional(),
  body: body(4096),
  footer,
  action: z.strictObject({ button: text(20), sections }),
})

export const urlButton = z.strictObject({ type: z.literal('cta_url'), ...frame, action: urlAction })

export const locationRequest = z.strictObject({
  type: z.literal('location_request_message'),
  body: body(),
  action: z.strictObject({ name: z.literal('send_location') }),
})

/** India only, as far as Meta says. What is asked for and filled in beforehand is Meta's to judge. */
export const addressRequest = z.strictObject({
  type: z.literal('address_message'),
  ...frame,
  action: z.strictObject({
    name: z.literal('address_message'),
    parameters: z.looseObject({
      country: z.string().regex(/^[A-Z]{2}$/, 'must be a country code such as IN'),
      values: z.looseObject({}).optional(),
      validation_errors: z.looseObject({}).optional(),
      saved_addresses: z.array(z.looseObject({})).optional(),
    }),
  }),
})

export const contactRequest = z.strictObject({
  type: z.literal('request_contact_info'),
  ...frame,
  action: z.strictObject({ name: z.literal('request_contact_info') }),
})

export const callPermission = z.strictObject({
  type: z.literal('call_permission_request'),
  ...frame,
  action: z.strictObject({ name: z.literal('call_permission_request') }),
})

const voiceCallParameters = z.strictObject({
  display_text: text(20).optional(),
  ttl_minutes: z.number().int().min(1).max(43_200).optional(),
  payload: text(512).optional(),
})
export const voiceCall = z.strictObject({
  type: z.literal('voice_call'),
  ...frame,
  action: z.strictObject({ name: z.literal('voice_call'), parameters: voiceCallParameters.optional() }),
})
