import { z } from 'zod'
import { optionalText, text } from './fields.ts'

const nameParts = ['first_name', 'last_name', 'middle_name', 'suffix', 'prefix'] as const

const short = optionalText(1000)
const name = z
  .looseObject({ formatted_name: text(1000), first_name: short, last_name: short, middle_name: short, suffix: short, prefix: short })
  .refine((given) => nameParts.some((part) => given[part] !== undefined && given[part] !== ''), {
    error: `needs one of ${nameParts.join(', ')} beside formatted_name`,
  })

const several = <Shape extends z.ZodRawShape>(shape: Shape) => z.array(z.looseObject(shape)).max(100).optional()

/** Loose, so that a card which a customer sent can be passed on with whatever else it carries. */
const card = z.looseObject({
  name,
  phones: several({ phone: short, type: short, wa_id: short }),
  emails: several({ email: short, type: short }),
  addresses: several({ street: short, city: short, state: short, zip: short, country: short, country_code: short, type: short }),
  urls: several({ url: short, type: short }),
  org: z.looseObject({ company: short, department: short, title: short }).optional(),
  birthday: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
    .optional(),
})

export const contacts = z.array(card).min(1).max(257)
