/** An answer that is not the wished one, in words for a person. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`)
    this.status = status
    this.code = problem.code
  }
}

/** A random id that also works where the page is not served over https. */
export const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

/** `after`, when given, is a position that the answer must have seen. */
export function createApi(key) {
  async function call(method, path, { body, idempotencyKey, after } = {}) {
    const response = await fetch(path, {
      method,
      headers: {
        Authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
        ...(after === undefined ? {} : { 'X-Read-After': after }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch(() => {
      throw new ApiError(0, { detail: 'Recado cannot be reached.' })
    })
    const text = await response.text()
    const json = text === '' ? {} : parse(text)
    if (!response.ok) throw new ApiError(response.status, json)
    return json
  }
  return { get: (path, options) => call('GET', path, options), post: (path, body, options) => call('POST', path, { ...options, body: body ?? {} }) }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
