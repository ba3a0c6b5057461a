/** Deeper than any form asks, and far from where reading it again could exhaust the stack. */
const deepest = 50

/** What was filled into a flow comes as a string of JSON: read into `response` beside the string, where it can be read. */
export function withResponse(interactive: object): object {
  const reply: unknown = (interactive as Readonly<Record<string, unknown>>)['nfm_reply']
  if (typeof reply !== 'object' || reply === null) return interactive
  const response = parsed((reply as Readonly<Record<string, unknown>>)['response_json'])
  return response === undefined ? interactive : { ...interactive, nfm_reply: { ...reply, response } }
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isShallow(value, deepest) ? value : undefined
  } catch {
    return undefined
  }
}

const isShallow = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' || value === null || (levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1)))
