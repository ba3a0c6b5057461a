type Timestamp = string | number | undefined

/** Before WhatsApp there were no messages of it: such a time is a mistake, and would hide what it stands on at the far end of every list. */
const earliest = Date.UTC(2009, 0, 1)

/**
 * When the provider says that it happened, and never after we got it: a message dated 2099 would stand first in the inbox for ever and hold the service
 * window open, and a report of then would outrank every later one. Seconds since 1970 as text or number; what is no time at all is when we got it.
 */
export function timeOf(timestamp: Timestamp, receivedAt: Date): string {
  const said = momentOf(timestamp)
  return said !== undefined && said <= receivedAt ? textOf(said) : receivedAt.toISOString()
}

/** What comes together was mostly said in the same second: its text is made once. */
let latest = { ms: Number.NaN, text: '' }

function textOf(moment: Date): string {
  const ms = moment.getTime()
  if (ms !== latest.ms) latest = { ms, text: moment.toISOString() }
  return latest.text
}

/** The provider's own word, where it is not what we go by. */
export function claimOf(timestamp: Timestamp, receivedAt: Date): { claimedAt?: string } {
  if (timestamp === undefined) return {}
  const said = momentOf(timestamp)
  if (said !== undefined && said <= receivedAt) return {}
  return { claimedAt: said?.toISOString() ?? String(timestamp).slice(0, 40) }
}

function momentOf(timestamp: Timestamp): Date | undefined {
  const ms = Number(timestamp) * 1000
  // A year that no calendar text can hold is no time either.
  return timestamp !== undefined && ms >= earliest && ms < 253_402_300_800_000 ? new Date(ms) : undefined
}
