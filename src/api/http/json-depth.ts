const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/**
 * Whether JSON text nests deeper than `limit`. Meta's deliveries need a dozen levels; thousands are an attack on whoever walks them recursively later
 * (JSON.stringify overflows the stack near 7,000). Counted on the text, because a parsed tree could only be walked by running into the very problem.
 */
export function nestsDeeperThan(text: string, limit: number): boolean {
  // A text with no more openers than that cannot; nearly every delivery has a dozen, and `indexOf` finds them without looking at each character in JavaScript.
  if (occursAtMost(text, '{', limit / 2) && occursAtMost(text, '[', limit / 2)) return false
  let depth = 0
  let inText = false
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (inText) {
      if (character === backslash) i++
      else if (character === quote) inText = false
    } else if (character === quote) inText = true
    else if (character === openBrace || character === openBracket) {
      if (++depth > limit) return true
    } else if (character === closeBrace || character === closeBracket) depth--
  }
  return false
}

function occursAtMost(text: string, character: string, most: number): boolean {
  let count = 0
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) if (++count > most) return false
  return true
}
