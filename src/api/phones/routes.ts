import { z } from 'zod'
import { phoneFaults, type CheckedPhone, type ValidatePhone } from '../../commands/contacts/validate-phone.ts'
import { ok } from '../http/call.ts'
import { route, type Route } from '../http/route.ts'

const most = 1_000

const text = z.string().max(60)
const country = z
  .string()
  .regex(/^[A-Za-z]{2}$/, 'must be the two letters of a country')
  .transform((letters) => letters.toUpperCase())
  .optional()
  .meta({ type: 'string', description: 'Two letters (ISO 3166-1), for numbers without a country code' })
const asked = z.strictObject({ phone: text, country })
const body = z
  .strictObject({ phone: text.optional(), country, phones: z.array(asked).min(1).max(most).optional() })
  .refine(({ phone, phones }) => (phone === undefined) !== (phones === undefined), { message: 'must have either phone or phones', path: ['phone'] })

const checked = z
  .object({
    phone: z.string().meta({ description: 'As it was asked for' }),
    valid: z.boolean(),
    e164: z.string().optional(),
    wa_id: z.string().optional().meta({ description: 'What to send to; Meta may answer with an older spelling' }),
    type: z.string().optional().meta({ description: '`mobile`, `fixed_line`, `fixed_line_or_mobile`, `toll_free` …' }),
    country: z.string().optional(),
    reason: z.enum(phoneFaults).optional().meta({ description: 'Why it is not valid' }),
  })
  .meta({ id: 'CheckedPhone' })

/** Numbers, before anything is sent to them. */
export function phoneRoutes({ validatePhone }: { validatePhone: ValidatePhone }): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/phones/validate',
      tag: 'Contacts',
      summary: 'Check numbers by the numbering plans; Meta is not asked',
      description: `One as \`phone\`, or up to ${most} as \`phones\`, answered in their order under \`data\`.`,
      access: 'contacts:read',
      body,
      responses: { 200: { description: 'The number, or the numbers', schema: z.union([checked, z.object({ data: z.array(checked) })]) } },
      async handle({ body: { phone, phones, country: everyones } }) {
        if (phones === undefined) return ok(render(phone ?? '', await validatePhone(phone ?? '', everyones)))
        return ok({ data: await Promise.all(phones.map(async (one) => render(one.phone, await validatePhone(one.phone, one.country ?? everyones)))) })
      },
    }),
  ]
}

const render = (phone: string, result: CheckedPhone): z.infer<typeof checked> => {
  if (!result.valid) return { phone, ...result }
  const { waId, ...rest } = result
  return { phone, ...rest, wa_id: waId }
}
