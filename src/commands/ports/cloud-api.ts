import type { NumberFacts } from '../../domain/channel/events.ts'

/** Where and as whom to call Meta. The token is plain here and nowhere else: it is opened right before the call. */
export type CloudApiAccount = { readonly phoneNumberId: string; readonly wabaId: string; readonly accessToken: string }

/** Meta's send body without `messaging_product`, `recipient_type`, address and callback data, which the adapter adds. */
export type OutgoingMessage = {
  /** Digits of the phone (wa_id, no `+`), or the business-scoped user id when the phone is hidden. */
  readonly to: { readonly waId: string } | { readonly bsuid: string }
  readonly type: string
  /** Meta's object of that type, e.g. `{ body: 'Hi' }`. */
  readonly object: unknown
  readonly replyTo?: string
  /** Delivered only while the customer's identity has this hash; else error 137000. */
  readonly identityKeyHash?: string
  /** Our message id; Meta echoes it in every status (`biz_opaque_callback_data`, at most 512 characters). */
  readonly callbackData: string
}

/** Meta's REST error as it was given. `code` is 0 when there was none to read. */
export type ProviderError = {
  readonly code: number
  readonly status: number
  readonly message: string
  readonly details?: string
  readonly fbtraceId?: string
  readonly retryAfterSeconds?: number
}

/**
 * What a send came to. `not_sent`: the request did not leave (connection refused, DNS), safe to repeat.
 * `unknown`: it left and no usable answer came (time-out, reset, 5xx without Meta's error body): it may have been sent.
 */
export type SendOutcome =
  | { readonly outcome: 'accepted'; readonly providerId: string }
  | { readonly outcome: 'rejected'; readonly error: ProviderError }
  | { readonly outcome: 'not_sent'; readonly reason: string }
  | { readonly outcome: 'unknown'; readonly reason: string }

export type CallResult<T> = { readonly ok: T } | { readonly error: ProviderError } | { readonly unreachable: string }

/** Meta's Cloud API, as far as Recado calls it. Adapter: src/adapters/whatsapp-cloud (undici); facts: Meta's Graph reference for v26.0. */
export type CloudApi = {
  send: (account: CloudApiAccount, message: OutgoingMessage, signal?: AbortSignal) => Promise<SendOutcome>
  markRead: (account: CloudApiAccount, providerId: string, typing: boolean) => Promise<CallResult<true>>
  /** Reads the number and its WABA: proves token, number and WABA in one go. */
  describeNumber: (account: CloudApiAccount) => Promise<CallResult<NumberFacts>>
  /**
   * Subscribes the app of the token to the WABA, so that webhooks come: to the address of the app, or to `override`, which Meta asks for its challenge
   * before it answers. Without `override` an earlier one ends.
   */
  subscribeApp: (account: CloudApiAccount, override?: { readonly url: string; readonly verifyToken: string }) => Promise<CallResult<true>>
  close: () => Promise<void>
}
