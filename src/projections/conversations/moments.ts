import { z } from 'zod'
import { occurredAtOf, type RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventsOf } from '../engine/projection.ts'

const hourMs = 60 * 60 * 1000
const entryPointMs = 72 * hourMs

export const later = (a: Date | null, b: Date): Date => (a !== null && a > b ? a : b)

/**
 * Whether a message was written after the one shown last. The provider's times are whole seconds and ours are not, so they are compared by the second:
 * else an answer within the second of its question would stand before it. Within one second the log decides.
 */
export const isNewer = (moment: Date, last: Date | null): boolean => last === null || secondOf(moment) >= secondOf(last)

const secondOf = (moment: Date): number => Math.floor(moment.getTime() / 1000)

type EntryPoint = { readonly entryPointAt: Date | null; readonly entryPointExpiresAt: Date | null }

/** Meta's own word on a free entry point, in the reports of its messages. */
const metaEntryPoint = z.object({
  expiration_timestamp: z.coerce.number().positive().max(253_402_300_799),
  origin: z.object({ type: z.literal('referral_conversion') }),
})

/**
 * A customer who came by an advertisement and is answered within 24 hours may be written to for free until 72 hours after that answer. The clock is
 * Meta's: what its reports say counts where it is later than our own reckoning, and never beyond what an entry point can last from the report on (its
 * own time is not later than when we got it): one that says 2099 would be free for ever.
 */
export function entryPointAfter(
  { entryPointAt, entryPointExpiresAt }: EntryPoint,
  event: { readonly type: string },
  at: RecordedEvent,
): Partial<EntryPoint> {
  if (event.type === 'MessageStatusChanged') {
    const { conversation, at: reportedAt } = event as EventsOf<'MessageStatusChanged'>
    // Most reports name none, and to be told so by a parser took a twentieth of the fold.
    const told = conversation === undefined ? undefined : metaEntryPoint.safeParse(conversation).data
    if (told === undefined) return {}
    const longest = Date.parse(reportedAt) + entryPointMs
    return { entryPointExpiresAt: later(entryPointExpiresAt, new Date(Math.min(told.expiration_timestamp * 1000, longest))) }
  }
  if (event.type !== 'SendAccepted' || entryPointAt === null) return {}
  const answeredAt = new Date(occurredAtOf(at))
  const inTime = answeredAt >= entryPointAt && answeredAt.getTime() <= entryPointAt.getTime() + 24 * hourMs
  // The first answer counts, and any answer to this entry point ends later than 72 hours after it.
  const isAnswered = entryPointExpiresAt !== null && entryPointExpiresAt.getTime() >= entryPointAt.getTime() + entryPointMs
  return inTime && !isAnswered ? { entryPointExpiresAt: new Date(answeredAt.getTime() + entryPointMs) } : {}
}

/** Hours since 1970. */
export const hourOf = (moment: Date): number => Math.floor(moment.getTime() / 3_600_000)
