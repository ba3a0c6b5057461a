import { z } from 'zod'
import type { NumberFacts } from '../../domain/channel/events.ts'
import type { ProviderError, SendOutcome } from '../../commands/ports/cloud-api.ts'
import type { Answer, Exchange } from './exchange.ts'

/** `error_data` is an object here and a string on other Graph endpoints; everything but the code may be missing. */
const errorBody = z.object({
  error: z.object({
    code: z.union([z.number().int(), z.string().regex(/^\d+$/).transform(Number)]),
    message: z.string().catch(''),
    error_data: z
      .union([z.object({ details: z.string() }).transform((data) => data.details), z.string()])
      .optional()
      .catch(undefined),
    error_user_msg: z.string().optional().catch(undefined),
    fbtrace_id: z.string().optional().catch(undefined),
  }),
})
/** An id goes into events, keys and rows, where PostgreSQL takes no NUL and an index no long text: one that cannot be Meta's is none. */
const messageId = z.string().regex(/^\P{Cc}{1,512}$/u)
const sentBody = z.object({ messages: z.array(z.object({ id: messageId })).min(1) })
const number = z.object({
  id: z.coerce.string(),
  display_phone_number: z.string().optional().catch(undefined),
  verified_name: z.string().optional().catch(undefined),
  quality_rating: z.string().optional().catch(undefined),
  throughput: z.object({ level: z.string() }).optional().catch(undefined),
  whatsapp_business_manager_messaging_limit: z.string().optional().catch(undefined),
  status: z.string().optional().catch(undefined),
  name_status: z.string().optional().catch(undefined),
  new_name_status: z.string().optional().catch(undefined),
  platform_type: z.string().optional().catch(undefined),
  code_verification_status: z.string().optional().catch(undefined),
  account_mode: z.string().optional().catch(undefined),
  is_on_biz_app: z.boolean().optional().catch(undefined),
  is_official_business_account: z.boolean().optional().catch(undefined),
  is_pin_enabled: z.boolean().optional().catch(undefined),
})
const numbersBody = z.object({
  data: z.array(number),
  paging: z
    .object({ cursors: z.object({ after: z.string() }).optional(), next: z.string().optional() })
    .optional()
    .catch(undefined),
})

/** Exactly the fields that `numbersBody` reads. */
export const numberFields =
  'id,display_phone_number,verified_name,quality_rating,throughput,whatsapp_business_manager_messaging_limit,status,name_status,new_name_status,platform_type,code_verification_status,account_mode,is_on_biz_app,is_official_business_account,is_pin_enabled'
/** For a version of Graph that has lost one of the others: a single unknown field fails the whole call. */
export const sureNumberFields = 'id,display_phone_number,verified_name,quality_rating'

export type NumbersPage = { readonly numbers: readonly { readonly id: string; readonly facts: NumberFacts }[]; readonly after?: string }

const json = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function retryAfterSeconds(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : undefined
}

/** The error that Meta put into the answer, if the answer has one that can be read. */
export function metaError(answer: Answer): ProviderError | undefined {
  const parsed = errorBody.safeParse(json(answer.body))
  if (!parsed.success) return undefined
  const { code, message, error_data, error_user_msg, fbtrace_id } = parsed.data.error
  const details = error_data ?? error_user_msg
  const wait = retryAfterSeconds(answer.retryAfter)
  return {
    code,
    status: answer.status,
    message,
    ...(details === undefined ? {} : { details }),
    ...(fbtrace_id === undefined ? {} : { fbtraceId: fbtrace_id }),
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  }
}

/** For an answer that is not Meta's: a proxy's page, an empty or cut body. */
export function bareError(answer: Answer, message: string): ProviderError {
  const wait = retryAfterSeconds(answer.retryAfter)
  return { code: 0, status: answer.status, message, ...(wait === undefined ? {} : { retryAfterSeconds: wait }) }
}

/** 408 says that the server gave up waiting for a request it may have had in full: it counts with the 5xx. */
const leavesItOpen = (status: number): boolean => status >= 500 || status === 408

/** What a send came to. When in doubt it is `unknown`: a message too many cannot be taken back, an unknown one is resolved by its status. */
export function sendOutcome(result: Exchange): SendOutcome {
  if ('failed' in result) return result.written ? { outcome: 'unknown', reason: result.failed } : { outcome: 'not_sent', reason: result.failed }
  const { answer } = result
  if (answer.status >= 200 && answer.status < 300) {
    const sent = sentBody.safeParse(json(answer.body))
    const id = sent.success ? sent.data.messages[0]?.id : undefined
    return id === undefined ? { outcome: 'unknown', reason: `HTTP ${answer.status} without a message id` } : { outcome: 'accepted', providerId: id }
  }
  const error = metaError(answer)
  if (error) return { outcome: 'rejected', error }
  if (leavesItOpen(answer.status)) return { outcome: 'unknown', reason: `HTTP ${answer.status} without Meta's error` }
  return { outcome: 'rejected', error: bareError(answer, `HTTP ${answer.status} without Meta's error`) }
}

/** One page of `GET /{waba}/phone_numbers`; undefined when it is not one. */
export function readNumbers(answer: Answer): NumbersPage | undefined {
  const parsed = numbersBody.safeParse(json(answer.body))
  if (!parsed.success) return undefined
  const numbers = parsed.data.data.map((item) => ({ id: item.id, facts: factsOf(item) }))
  const { paging } = parsed.data
  const after = paging?.next === undefined ? undefined : paging.cursors?.after
  return after === undefined ? { numbers } : { numbers, after }
}

function factsOf(item: z.infer<typeof number>): NumberFacts {
  const facts = {
    displayPhone: item.display_phone_number,
    verifiedName: item.verified_name,
    qualityRating: item.quality_rating,
    throughput: item.throughput?.level,
    messagingLimit: item.whatsapp_business_manager_messaging_limit,
    numberStatus: item.status,
    nameStatus: item.name_status,
    newNameStatus: item.new_name_status,
    platformType: item.platform_type,
    codeVerification: item.code_verification_status,
    accountMode: item.account_mode,
    onBusinessApp: item.is_on_biz_app,
    officialAccount: item.is_official_business_account,
    pinEnabled: item.is_pin_enabled,
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}
