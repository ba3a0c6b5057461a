import { Buffer } from 'node:buffer'

/** As every one of Meta's webhooks writes it. Inside of a text the quotes would be escaped, so this is a key. */
const key = Buffer.from('"timestamp":"')
const digits = 10
const quote = 0x22

/**
 * The id of a delivery with these bytes and this hash: the time of its first message or status, then the hash, 32 hexadecimal digits altogether. Whoever
 * brings the same bytes again, at any time and to any process, comes to the same id.
 * The time goes first for the index of streams: those of one moment stand side by side, and the log grows at one place of it. With the hash alone each
 * delivery lands anywhere: a page of 8 KB read, and written into the write-ahead log after every checkpoint, for 80 bytes.
 */
export function deliveryId(raw: Uint8Array, sha256: string): string {
  const time = timeOf(raw)
  return time === undefined ? sha256.slice(0, 32) : `${time.toString(16).padStart(8, '0')}${sha256.slice(0, 24)}`
}

/** Seconds since 1970. Whatever else stands there is as good as nothing: this is a place in an index, no fact. */
function timeOf(raw: Uint8Array): number | undefined {
  const found = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).indexOf(key)
  if (found === -1) return undefined
  const from = found + key.length
  if (raw[from + digits] !== quote) return undefined
  let seconds = 0
  for (let at = from; at < from + digits; at++) {
    const digit = (raw[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return undefined
    seconds = seconds * 10 + digit
  }
  return seconds <= 0xffffffff ? seconds : undefined
}
