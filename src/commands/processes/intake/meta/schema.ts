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

/** Ids come as numbers now and then. */
const idLike = z.union([z.string(), z.number().int()]).transform(String).pipe(id)
const maybeId = idLike.optional().catch(undefined)
const maybeText = z.string().optional().catch(undefined)

export const metaMessage = z.looseObject({
  id: idLike,
  timestamp: seconds.optional().catch(undefined),
  /** A message that does not say what it is is shown with all that came. */
  type: z.string().catch('unsupported'),
  from: maybeId,
  from_user_id: maybeId,
  from_parent_user_id: maybeId,
  context: z.looseObject({ id: maybeId }).optional().catch(undefined),
})
export type MetaMessage = z.infer<typeof metaMessage>

/** What a reaction, an edit and a revoke cannot do without. */
export const metaReaction = z.looseObject({
  message_id: idLike,
  emoji: z
    .string()
    .nullish()
    .transform((emoji) => emoji ?? undefined),
})
export const metaEdit = z.looseObject({
  original_message_id: idLike,
  message: z.looseObject({ type: z.string(), context: metaMessage.shape.context }),
})
export const metaRevoke = z.looseObject({ original_message_id: idLike })

export const metaSystem = z.looseObject({
  type: z.string(),
  wa_id: maybeId,
  new_wa_id: maybeId,
  user_id: maybeId,
  parent_user_id: maybeId,
  customer: maybeId,
})

export const metaMedia = z.looseObject({ id: idLike, mime_type: maybeText, sha256: maybeText })

/** Bounded: it stands open in the event. */
const mark = z.string().max(1024).optional().catch(undefined)
export const metaReferral = z.looseObject({
  source_type: z.string().max(64).catch('unknown'),
  source_id: mark,
  ctwa_clid: mark,
})

export const metaError = z.looseObject({
  code: z.number().catch(0),
  title: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  error_data: z.looseObject({ details: z.string().optional() }).optional().catch(undefined),
})

export const metaStatus = z.looseObject({
  id: idLike,
  status: z.string().regex(/^[\w.-]{1,64}$/),
  timestamp: seconds.optional().catch(undefined),
  recipient_type: maybeText,
  recipient_participant_id: maybeId,
  participant_recipient_id: maybeId,
  recipient_participant_user_id: maybeId,
  biz_opaque_callback_data: z.string().max(512).optional().catch(undefined),
  errors: z.array(z.json()).optional().catch(undefined),
  pricing: z.json().optional().catch(undefined),
  conversation: z.json().optional().catch(undefined),
})
export type MetaStatus = z.infer<typeof metaStatus>

export const metaContact = z.looseObject({
  wa_id: id.optional().catch(undefined),
  user_id: id.optional().catch(undefined),
  parent_user_id: id.optional().catch(undefined),
  profile: z
    .looseObject({ name: z.string().optional().catch(undefined), username: z.string().max(512).optional().catch(undefined) })
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
    errors: items.optional(),
    timestamp: seconds.optional().catch(undefined),
  }),
})
export type MetaValue = z.infer<typeof metaChange>['value']
