import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorBody, GraphError } from '../wire/graph-error.ts'
import { traceId } from '../wire/ids.ts'
import type { ErrorBodyKind } from '../world/switches.ts'

/** One request to the Graph API, past authentication. */
export type GraphRequest = {
  readonly method: string
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Where this simulator is reached from outside, with the prefix it is mounted under. */
  readonly publicUrl: string
}

export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new GraphError(100, { status: 413, details: 'The request is too large' })
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
}

export type Fields = Record<string, unknown>
export const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The fields of a call: the JSON body, or a form, and whatever stands in the query, as Graph takes them. */
export async function readFields(request: GraphRequest): Promise<Fields> {
  const text = (await readBody(request.req, 1024 * 1024)).toString('utf8')
  const fields: Fields = {}
  for (const [key, value] of request.query) if (key !== 'access_token') fields[key] = value
  if (text === '') return fields
  if (request.req.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return { ...fields, ...Object.fromEntries(new URLSearchParams(text)) }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new GraphError(100, { details: 'The request body is not valid JSON' })
  }
  if (!isObject(body)) throw new GraphError(100, { details: 'The request body must be a JSON object' })
  return Object.keys(fields).length === 0 ? body : { ...fields, ...body }
}

const graphHeaders = { 'content-type': 'application/json; charset=UTF-8', 'facebook-api-version': 'v26.0', 'cache-control': 'no-store' }

export function sendJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  res.writeHead(status, { ...graphHeaders, 'content-length': Buffer.byteLength(text) })
  res.end(text)
}

export function sendError(res: ServerResponse, error: GraphError): void {
  const text = JSON.stringify(errorBody(error))
  const headers: Record<string, string> = { ...graphHeaders, 'content-length': Buffer.byteLength(text).toString(), 'x-fb-trace-id': traceId() }
  if (error.status === 401) headers['www-authenticate'] = `OAuth "Facebook Platform" "invalid_token" "${error.message}"`
  if (error.extra.retryAfter !== undefined) headers['retry-after'] = error.extra.retryAfter.toString()
  res.writeHead(error.status, headers)
  res.end(text)
}

const page = '<!DOCTYPE html><html lang="en"><head><title>Facebook | Error</title></head><body><h1>Sorry, something went wrong.</h1></body></html>'

/** An error as it looks when not the API answers but something in front of it, or when the answer is cut. */
export function sendBroken(res: ServerResponse, error: GraphError, kind: ErrorBodyKind): void {
  if (kind === 'meta') return sendError(res, error)
  const retryAfter = error.extra.retryAfter
  const headers: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': retryAfter.toString() }
  if (kind === 'truncated') {
    const text = JSON.stringify(errorBody(error))
    res.writeHead(error.status, { ...graphHeaders, ...headers, 'content-length': Buffer.byteLength(text) })
    res.write(text.slice(0, 40), () => res.destroy())
    return
  }
  res.writeHead(error.status, { 'content-type': 'text/html; charset=utf-8', ...headers })
  res.end(kind === 'html' ? page : undefined)
}
