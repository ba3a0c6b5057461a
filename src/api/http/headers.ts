import type { IfVersion } from '../../commands/kernel/execute.ts'
import { parsePosition, type Position } from '../../domain/kernel/position.ts'
import type { HttpRequest } from './principal.ts'
import { problem } from './problem.ts'

const badHeader = (name: string, message: string): Error =>
  problem('invalid_request', { errors: [{ path: `header.${name}`, code: 'invalid_header', message }] })

/**
 * `If-Match: "3", "4"` → 3 and 4: any of them will do (RFC 9110). `*` and none → undefined: any version will do. What is none of our ETags can match none of
 * them and is left out, if need be until no version is left, so that the command finds out whether there is something to be stale (412) or nothing at all (404).
 */
export function ifMatch(req: Pick<HttpRequest, 'get'>): IfVersion {
  const text = req.get('if-match')
  if (text === undefined || text.trim() === '*') return undefined
  return text.split(',').flatMap((entry) => {
    const version = /^\s*(?:W\/)?"(\d{1,9})"\s*$/.exec(entry)?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}

/** `Idempotency-Key`: 1 to 255 printable ASCII characters. */
export function idempotencyKey(req: Pick<HttpRequest, 'get'>): string | undefined {
  const key = req.get('idempotency-key')
  if (key === undefined) return undefined
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) throw badHeader('Idempotency-Key', 'must be 1 to 255 printable ASCII characters')
  return key
}

/** `X-Read-After`: the X-Position of a command whose effect the reader wants to see. */
export function readAfter(req: Pick<HttpRequest, 'get'>): Position | undefined {
  const text = req.get('x-read-after')
  if (text === undefined) return undefined
  const position = parsePosition(text)
  if (position === undefined) throw badHeader('X-Read-After', 'must be an X-Position as it was given')
  return position
}

/** `X-Request-Id` as it came when it is harmless in logs and events; else undefined. */
export function givenRequestId(req: Pick<HttpRequest, 'get'>): string | undefined {
  const id = req.get('x-request-id')
  return id !== undefined && /^[\w.:-]{1,128}$/.test(id) ? id : undefined
}
