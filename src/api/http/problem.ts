import { problemCodes, type ProblemCode } from './codes.ts'

export type FieldError = { readonly path: string; readonly code: string; readonly message: string }

/** What a problem may say beside its code. `detail` is for a person and must never carry what the client did not send or may not see. */
export type ProblemOptions = {
  readonly detail?: string
  readonly errors?: readonly FieldError[]
  readonly retryAfterSeconds?: number
  readonly providerError?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** After how long to come back when whoever says 503 knows no better. */
const awaySeconds = 5

/**
 * An answer that is not the wished one, thrown anywhere below a route and rendered by the one error handler.
 * It is an exception only inside the edge: commands answer refusals as values, and `settled` turns them into this.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly status: number
  readonly options: ProblemOptions
  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(options.detail ?? problemCodes[code][1])
    this.code = code
    this.status = problemCodes[code][0]
    this.options = this.status === 503 && options.retryAfterSeconds === undefined ? { ...options, retryAfterSeconds: awaySeconds } : options
  }
}

export const problem = (code: ProblemCode, options: ProblemOptions | string = {}): Problem =>
  new Problem(code, typeof options === 'string' ? { detail: options } : options)

/** The body as the contract has it: `{type,title,status,code,detail,request_id,errors?,retryable?,retry_after?,provider_error?}`. */
export function problemBody(error: Problem, requestId: string): Record<string, unknown> {
  const [status, title, explanation] = problemCodes[error.code]
  const { detail, errors, retryAfterSeconds, providerError } = error.options
  return {
    type: `https://recado.dev/problems/${error.code}`,
    title,
    status,
    code: error.code,
    detail: detail ?? explanation,
    request_id: requestId,
    ...(errors === undefined ? {} : { errors }),
    ...(isRetryable(error.code) ? { retryable: true } : {}),
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    ...(providerError === undefined ? {} : { provider_error: providerError }),
  }
}

/** The same request may succeed later without a change: such an answer is not kept under its Idempotency-Key. */
export const isRetryable = (code: ProblemCode): boolean =>
  problemCodes[code][0] >= 500 || code === 'rate_limited' || code === 'idempotency_in_progress'
