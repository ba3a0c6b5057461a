import { hash } from 'node:crypto'
import { streamName, type StreamRef } from './stream.ts'

/** Namespace of every id that Recado derives; never change it: ids of stored events come from it. */
const namespace = Buffer.from('6f1c1f0e6f0b5c539d3c6a1e4b6f7a10', 'hex')

/**
 * The same parts always give the same uuid (RFC 9562 version 5). Parts must not contain the separator U+001F.
 * Not by the uuid package: half a dozen ids per message took 7 % of the whole webhook path there, 2 % here.
 */
export function derivedId(...parts: readonly string[]): string {
  const name = parts.join('\u001f')
  const bytes = Buffer.allocUnsafe(namespace.length + Buffer.byteLength(name))
  namespace.copy(bytes)
  bytes.write(name, namespace.length)
  const hex = hash('sha1', bytes, 'hex')
  const variant = variants[Number.parseInt(hex.charAt(16), 16) & 3] ?? '8'
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The two highest bits of the 17th digit are 10; its two lowest are kept. */
const variants = ['8', '9', 'a', 'b'] as const

/** Event id: from the command, the stream and the event's place in it, so that a repeated command repeats its ids. */
export const eventId = (commandId: string, stream: StreamRef, index: number): string =>
  derivedId('event', commandId, streamName(stream), String(index))
