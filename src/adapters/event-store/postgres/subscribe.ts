import type { Pool } from 'pg'
import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { Delivery, LogSubscription } from '../../../domain/kernel/event-store.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { persistently, untilAborted } from '../outages.ts'
import { followLog } from './follow-log.ts'
import { readHead, readPage } from './read-log.ts'
import type { Tail, TailReader } from './tail.ts'

const defaultPageSize = 1_000

/**
 * One tail for all subscribers of the process: opened by the first, closed by the last, so a process without subscribers neither listens nor polls.
 * A subscriber is BEHIND (reads pages of its own from the database) ⇄ AT THE TAIL (takes from the ring what the commits of this process put there);
 * one that falls behind the ring goes back to the database and joins again. It is never handed a page before it has come for it.
 */
export function createSubscriptions({
  pool,
  listenUrl,
  tail,
  seal,
  closing,
}: {
  pool: Pool
  listenUrl: string
  tail: Tail
  seal: AttachmentSeal
  closing: AbortSignal
}): {
  subscribe: (subscription: LogSubscription) => AsyncGenerator<Delivery>
} {
  let subscribers = 0
  let following: { readonly stop: AbortController; readonly opened: Promise<void> } | undefined

  async function openTail(signal: AbortSignal): Promise<void> {
    tail.expectBlocks()
    const head = await persistently(() => readHead(pool), signal)
    if (head === undefined || signal.aborted) return
    tail.open(head.position)
    followLog({ listenUrl, readHead: async () => (await readHead(pool)).position, heard: tail.heard, signal })
  }

  function join(): Promise<void> {
    subscribers++
    if (following === undefined) {
      const stop = new AbortController()
      following = { stop, opened: openTail(stop.signal) }
    }
    return following.opened
  }

  function leave(): void {
    subscribers--
    if (subscribers > 0) return
    following?.stop.abort()
    following = undefined
    tail.close()
  }

  async function* subscribe({
    after,
    filter = {},
    signal: given,
    pageSize = defaultPageSize,
    attachments = false,
  }: LogSubscription): AsyncGenerator<Delivery> {
    const signal = AbortSignal.any([given, closing])
    let position = Number(after)
    let reader: TailReader | undefined
    try {
      await untilAborted(join(), signal)
      if (!signal.aborted) await refuseTheFuture(position, signal)
      reader = tail.reader(filter)
      for (let announced = -1; !signal.aborted;) {
        const page =
          reader.read(position, pageSize) ??
          (await persistently(
            () => readPage(pool, { after: position, filter, limit: pageSize, attachments: attachments ? seal : undefined }),
            signal,
          ))
        if (page === undefined) return
        const moved = page.through > position
        position = page.through
        const atTheTip = position >= tail.head() && tail.complete()
        if (page.events.length > 0 || (moved && !atTheTip)) {
          yield { kind: 'page', events: page.events, through: positionOf(position) }
        } else if (atTheTip && announced !== position) {
          // Also tells how far it came over events that the filter left out.
          announced = position
          yield { kind: 'caught-up', through: positionOf(position) }
        } else {
          await tail.changed(position, signal)
        }
      }
    } finally {
      reader?.close()
      leave()
    }
  }

  /** A checkpoint ahead of the log belongs to another log (or this one was restored from a backup): waiting for it to be overtaken would lose events. */
  async function refuseTheFuture(position: number, signal: AbortSignal): Promise<void> {
    if (position <= tail.head()) return
    const head = await persistently(() => readHead(pool), signal)
    if (head !== undefined && position > head.position)
      throw new RangeError(`position ${position} is ahead of the log, which ends at ${head.position}`)
    tail.heard(position)
  }

  return { subscribe }
}
