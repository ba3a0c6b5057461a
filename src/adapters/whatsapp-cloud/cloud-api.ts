import { Pool } from 'undici'
import type { CallResult, CloudApi, CloudApiAccount, OutgoingMessage } from '../../commands/ports/cloud-api.ts'
import type { CoexistenceApi } from '../../commands/ports/coexistence-api.ts'
import type { ProfilesApi } from '../../commands/ports/profiles-api.ts'
import type { NumberFacts } from '../../domain/channel/events.ts'
import { numberFields, readNumbers, sendOutcome, sureNumberFields } from './answers.ts'
import { coexistenceCalls } from './coexistence.ts'
import { exchange, type Exchange } from './exchange.ts'
import { done, failure, isSuccess, lacksField } from './outcome.ts'
import { profileCalls } from './profile.ts'

export type CloudApiOptions = {
  /** `https://graph.facebook.com`, or the simulator; may have a path. */
  readonly graphUrl: string
  /** With the `v`: `v26.0`. */
  readonly version: string
  /** From the call to the end of the answer, waiting for a free connection included. */
  readonly timeoutMs?: number
  readonly connections?: number
}

/** A WABA has 20 numbers by default; whoever has more than this many is found by another way than paging on. */
const maxPages = 20

/**
 * Meta's Cloud API over one bounded keep-alive pool. As many connections as the sender makes calls at once: with fewer, calls would queue in the pool,
 * where no channel's turn counts, and at 200 ms an answer 32 of them would be 160 messages a second. They are opened when they are needed only.
 * Pipelining stays at 1 and HTTP/2 off: on a shared connection one reset would make every message on it `unknown`.
 */
export function createCloudApi({
  graphUrl,
  version,
  timeoutMs = 15_000,
  connections = 512,
}: CloudApiOptions): CloudApi & ProfilesApi & CoexistenceApi {
  const base = new URL(graphUrl)
  const root = `${base.pathname.replace(/\/$/, '')}/${version}`
  const pool = new Pool(base.origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    // Below Meta's own idle limit: a connection that the server is just closing is what turns a send into `unknown`.
    keepAliveTimeout: 4_000,
    headersTimeout: timeoutMs + 1_000,
    bodyTimeout: timeoutMs + 1_000,
    connect: { timeout: Math.min(timeoutMs, 10_000) },
  })

  const get = (account: CloudApiAccount, path: string): Promise<Exchange> =>
    exchange(pool, { method: 'GET', path: root + path, headers: headersOf(account), timeoutMs })

  const post = (account: CloudApiAccount, path: string, body: unknown, signal?: AbortSignal): Promise<Exchange> =>
    exchange(pool, {
      method: 'POST',
      path: root + path,
      headers: { ...headersOf(account), 'content-type': 'application/json' },
      body: JSON.stringify(body),
      timeoutMs,
      signal,
    })

  const wabaNumbers = (account: CloudApiAccount, fields: string, after: string | undefined): Promise<Exchange> =>
    get(account, `/${encodeURIComponent(account.wabaId)}/phone_numbers?${new URLSearchParams({ fields, limit: '100', ...(after && { after }) })}`)

  /** Lists the WABA's numbers instead of reading the number: only the list proves that the number is in this WABA, and it carries the same fields. */
  async function describeNumber(account: CloudApiAccount, fields = numberFields): Promise<CallResult<NumberFacts>> {
    let after: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const result = await wabaNumbers(account, fields, after)
      if (fields !== sureNumberFields && lacksField(result)) return describeNumber(account, sureNumberFields)
      const read = 'answer' in result && isSuccess(result.answer) ? readNumbers(result.answer) : undefined
      if (!read) return failure(result)
      const found = read.numbers.find((number) => number.id === account.phoneNumberId)
      if (found) return { ok: found.facts }
      after = read.after
      if (after === undefined) break
    }
    return explainAbsence(account)
  }

  /** The WABA answered and does not have the number: is it the number's id that is wrong, or the pair? */
  async function explainAbsence(account: CloudApiAccount): Promise<CallResult<NumberFacts>> {
    const result = await get(account, `/${encodeURIComponent(account.phoneNumberId)}?fields=id`)
    if (!('answer' in result) || !isSuccess(result.answer)) return failure(result)
    const message = `Phone number ${account.phoneNumberId} is not one of WhatsApp Business Account ${account.wabaId}`
    return { error: { code: 33, status: result.answer.status, message } }
  }

  return {
    async send(account, message, signal) {
      return sendOutcome(await post(account, `/${encodeURIComponent(account.phoneNumberId)}/messages`, sendBody(message), signal))
    },
    async markRead(account, providerId, typing) {
      const body = { messaging_product: 'whatsapp', status: 'read', message_id: providerId, ...(typing && { typing_indicator: { type: 'text' } }) }
      return done(await post(account, `/${encodeURIComponent(account.phoneNumberId)}/messages`, body))
    },
    describeNumber: (account) => describeNumber(account),
    async subscribeApp(account, override) {
      const body = override === undefined ? {} : { override_callback_uri: override.url, verify_token: override.verifyToken }
      return done(await post(account, `/${encodeURIComponent(account.wabaId)}/subscribed_apps`, body))
    },
    ...profileCalls({ get, post }),
    ...coexistenceCalls({ post }),
    close: () => pool.close(),
  }
}

const headersOf = (account: CloudApiAccount): Record<string, string> => ({ authorization: `Bearer ${account.accessToken}`, 'user-agent': 'recado' })

/** With the `+`: without it Meta may take the number for a national one and put the business's own country code before it. */
function sendBody(message: OutgoingMessage): Record<string, unknown> {
  return {
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    ...('waId' in message.to ? { to: `+${message.to.waId}` } : { recipient: message.to.bsuid }),
    type: message.type,
    [message.type]: message.object,
    ...(message.replyTo !== undefined && { context: { message_id: message.replyTo } }),
    ...(message.identityKeyHash !== undefined && { recipient_identity_key_hash: message.identityKeyHash }),
    biz_opaque_callback_data: message.callbackData,
  }
}
