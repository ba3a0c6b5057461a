const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/**
 * Whether JSON bytes nest deeper than `limit`. Meta's deliveries need a dozen levels; thousands are an attack on whoever walks them recursively later
 * (JSON.stringify overflows the stack near 7,000). Counted on the bytes, because a parsed tree could only be walked by running into the very problem.
 */
export function nestsDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0
  let inText = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inText) {
      if (byte === backslash) i++
      else if (byte === quote) inText = false
    } else if (byte === quote) inText = true
    else if (byte === openBrace || byte === openBracket) {
      if (++depth > limit) return true
    } else if (byte === closeBrace || byte === closeBracket) depth--
  }
  return false
}
