import { z } from 'zod'

/**
 * The parts of Meta's webhooks that Recado acts on (Graph v26.0; messages and statuses of the field `messages`). Loose on purpose: what is not named here
 * stays in the raw delivery, and an unknown field, type or enum never makes an item unreadable.
 */

/** Goes into indexed text columns: PostgreSQL's text cannot hold U+0000, and an id has no business with control characters. */
export const id = z
  .string()
  .min(1)
  .max(512)
  .refine((text) => !/\p{Cc}/u.test(text), 'has control characters')
export const seconds = z.union([z.string(), z.number()])

export const metaMessage = z.looseObject({
  id,
  timestamp: seconds.optional(),
  type: z.string(),
  from: id.optional(),
  from_user_id: id.optional(),
  context: z.looseObject({ id: id.optional() }).optional().catch(undefined),
})
export type MetaMessage = z.infer<typeof metaMessage>

export const metaError = z.looseObject({
  code: z.number().catch(0),
  title: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  error_data: z.looseObject({ details: z.string().optional() }).optional().catch(undefined),
})

export const metaStatus = z.looseObject({
  id,
  status: z.string(),
  timestamp: seconds.optional(),
  biz_opaque_callback_data: z.string().max(512).optional().catch(undefined),
  errors: z.array(z.json()).optional().catch(undefined),
  pricing: z.json().optional().catch(undefined),
})
export type MetaStatus = z.infer<typeof metaStatus>

export const metaContact = z.looseObject({
  wa_id: id.optional().catch(undefined),
  user_id: id.optional().catch(undefined),
  profile: z
    .looseObject({ name: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
})
export type MetaContact = z.infer<typeof metaContact>

/** Numbers and accounts: ids that become part of keys. */
const accountId = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(z.string().regex(/^[\w.-]{1,64}$/))
  .optional()
  .catch(undefined)

const items = z.array(z.unknown()).catch([])

/** The outer layers are read layer by layer, so that one odd entry costs its neighbours nothing. */
export const metaDelivery = z.looseObject({ entry: items })
export const metaEntry = z.looseObject({ id: accountId, time: seconds.optional().catch(undefined), changes: items })
export const metaChange = z.looseObject({
  field: z.string(),
  value: z.looseObject({
    metadata: z
      .looseObject({
        phone_number_id: z
          .union([z.string(), z.number()])
          .transform(String)
          .pipe(z.string().regex(/^[\w.-]{1,64}$/)),
      })
      .optional()
      .catch(undefined),
    contacts: items.optional(),
    messages: items.optional(),
    statuses: items.optional(),
    timestamp: seconds.optional().catch(undefined),
  }),
})
export type MetaValue = z.infer<typeof metaChange>['value']
