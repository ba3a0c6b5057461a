/** Seconds since 1970 as text or number; anything else (also a year that no calendar text can hold) is answered with when we got it. */
export function timeOf(timestamp: string | number | undefined, receivedAt: Date): string {
  const seconds = Number(timestamp)
  return timestamp !== undefined && seconds > 0 && seconds < 253_402_300_800 ? new Date(seconds * 1000).toISOString() : receivedAt.toISOString()
}
