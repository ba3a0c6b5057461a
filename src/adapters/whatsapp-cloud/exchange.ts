import type { Dispatcher, Pool } from 'undici'

export type Answer = { readonly status: number; readonly retryAfter?: string; readonly body: string }

/** What became of one request. `written` is the whole point: false means that not one byte of it left this process. */
export type Exchange = { readonly answer: Answer } | { readonly failed: string; readonly written: boolean }

export type ExchangeOptions = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Meta's answers are below 10 kB; more than this is not an answer of Meta. */
const maxAnswerBytes = 1024 * 1024

/**
 * One request on the pool. QUEUED (waits for a connection) → WRITTEN (from undici's `onRequestStart`, called right before the first byte) → done.
 *
 * We dispatch by hand instead of `pool.request` because only the handler learns that moment. A list of error codes (ECONNREFUSED, ENOTFOUND …)
 * would guess it, and ECONNRESET happens on both sides of it. One deadline covers waiting, connecting and answering; a request that is given up
 * while QUEUED stays in undici's queue, so it refuses itself when its turn comes (`onRequestStart` throws), else it could go out after all.
 */
export function exchange(pool: Pool, options: ExchangeOptions): Promise<Exchange> {
  return new Promise((resolve) => {
    let written = false
    let ended = false
    let status = 0
    let retryAfter: string | undefined
    let bytes = 0
    const chunks: Buffer[] = []
    let inFlight: Dispatcher.DispatchController | undefined

    const end = (result: Exchange): void => {
      if (ended) return
      ended = true
      clearTimeout(deadline)
      options.signal?.removeEventListener('abort', aborted)
      resolve(result)
    }
    const giveUp = (reason: string): void => {
      end({ failed: reason, written })
      inFlight?.abort(new Error(reason))
    }
    const aborted = (): void => giveUp('aborted')
    const deadline = setTimeout(() => giveUp(`no answer within ${options.timeoutMs} ms`), options.timeoutMs)
    if (options.signal?.aborted) return giveUp('aborted')
    options.signal?.addEventListener('abort', aborted, { once: true })

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        if (ended) throw new Error('given up before it was sent')
        written = true
        inFlight = controller
      },
      onResponseStart(_controller, statusCode, headers) {
        status = statusCode
        const value = headers['retry-after']
        retryAfter = Array.isArray(value) ? value[0] : value
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) return giveUp('the answer is too long')
        chunks.push(chunk)
      },
      onResponseEnd() {
        const body = Buffer.concat(chunks).toString('utf8')
        end({ answer: retryAfter === undefined ? { status, body } : { status, retryAfter, body } })
      },
      onResponseError(_controller, error) {
        end({ failed: reasonOf(error), written })
      },
    }
    const { method, path, headers } = options
    try {
      pool.dispatch({ method, path, headers, body: options.body ?? null }, handler)
    } catch (error) {
      // undici throws for what it will not even queue: a malformed path or header, a closed pool.
      end({ failed: reasonOf(error), written: false })
    }
  })
}

/** Short and free of addresses, tokens and bodies: it ends in the log and in an event. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (code !== undefined) return code
  return error instanceof AggregateError && error.errors.length > 0 ? reasonOf(error.errors[0]) : error.name
}
