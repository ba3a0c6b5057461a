import type { Position } from '../../../domain/kernel/position.ts'
import type { OutboxRow } from './outbox-table.ts'
import type { RecentSend } from './recent-sends.ts'
import { createTimeHeap } from './time-heap.ts'
import { createNumberLimit } from './number-limit.ts'
import { createTokenBucket, type Rate, type TokenBucket } from './token-bucket.ts'

/** What one number may send. `pair`: to one and the same person. */
export type Limits = {
  readonly perSecond: number
  readonly pair: Rate
  /** Calls of this channel under way at the same time. */
  readonly atOnce: number
}

/** After this long a pair is at rest and a number has its second again, whatever was sent before. */
export const rememberedMs = ({ pair }: Limits): number => Math.max(1_000, (pair.burst / pair.perSecond) * 1_000)

type Conversation = {
  readonly id: string
  /** In the order in which they were queued: only the first may go. */
  readonly waiting: OutboxRow[]
  state: 'idle' | 'ready' | 'later' | 'sending'
  sendingId?: string
  /** Of the most urgent message in it, since that one cannot overtake those before it. */
  urgency: number
  laterUntil: number
}

export type Schedule = {
  /** A message that waits for a try; one that is older news than what is known already changes nothing. */
  put: (row: OutboxRow, now: number) => void
  /** The next message to try, now in flight; its tokens are taken. */
  next: (now: number) => OutboxRow | undefined
  /** When `next` may have something, as things are; undefined: not before something is put, finished or resumed. */
  wakeAt: (now: number) => number | undefined
  /** The message in flight is off our hands (`position`: as of this event), or waits for another try. */
  finish: (messageId: string, result: { readonly settled: Position } | { readonly again: OutboxRow }, now: number) => void
  /** Nothing goes out until then, and afterwards one message alone has to come through before others follow. */
  pause: (until: number) => void
  /** What made it pause is over: everything that waits is due now. */
  resume: (now: number) => void
  /** Slow down to a share of the allowed rate (rate limit errors), or back up. */
  throttle: (share: number) => void
  setPerSecond: (perSecond: number) => void
  succeeded: () => void
  /** Before the first `next`: what went out lately, oldest first, by whoever sent for the number then. It counts as if it had gone out from here. */
  remember: (sends: readonly RecentSend[], now: number) => void
  readonly size: () => number
  readonly inFlight: () => number
}

const urgencies = 3
/** Enough to outlive every answer of a poll that was asked before the message was settled. */
const settledKept = 10_000
/** At 1,000 messages a second to as many people, some 6,000 pairs are not at rest (6 s each). */
const pairsKept = 20_000

/**
 * One channel's order of sending, in memory and without I/O: the sender is the only one who sends for the channel, so no counter is shared with anybody.
 *
 * A conversation is IDLE (nothing waits) → READY → SENDING → READY or LATER (its first message is not due, or the person had too many) → READY …
 * Invariants: one message of a conversation is in flight at a time; a message never overtakes an earlier one of its conversation;
 * among conversations the more urgent goes first, and within one urgency they take turns, so that a long one does not hold up the others.
 */
export function createSchedule(limits: Limits, now: number): Schedule {
  let { perSecond } = limits
  let share = 1
  const number = createNumberLimit(perSecond, now)
  const conversations = new Map<string, Conversation>()
  const pairs = new Map<string, TokenBucket>()
  const byMessage = new Map<string, OutboxRow>()
  const settled = new Map<string, Position>()
  /** Maps keep the order of insertion: a queue that anything can leave at no cost. */
  const ready = Array.from({ length: urgencies }, () => new Map<string, Conversation>())
  const later = createTimeHeap<Conversation>()
  let flying = 0
  let pausedUntil = 0
  let probing = false

  function enqueue(conversation: Conversation, now: number, notBefore = 0): void {
    const { id, waiting, urgency: before } = conversation
    const [first] = waiting
    const due = Math.max(first?.dueAt.getTime() ?? 0, notBefore)
    conversation.urgency = waiting.reduce((most, { priority }) => Math.min(most, priority), urgencies - 1)
    // Who is ready keeps the place in the queue when one more message comes.
    if (conversation.state === 'ready' && conversation.urgency === before && first !== undefined && due <= now) return
    ready[before]?.delete(id)
    if (first === undefined) {
      conversation.state = 'idle'
      conversations.delete(id)
      return
    }
    if (due > now) {
      if (conversation.state === 'later' && conversation.laterUntil === due) return
      conversation.state = 'later'
      conversation.laterUntil = due
      later.push(due, conversation)
      return
    }
    conversation.state = 'ready'
    ready[conversation.urgency]?.set(id, conversation)
  }

  function wakeDue(now: number): void {
    for (let conversation = later.popDue(now); conversation !== undefined; conversation = later.popDue(now)) {
      if (conversation.state === 'later' && conversation.laterUntil <= now) enqueue(conversation, now)
    }
  }

  function insert(row: OutboxRow): Conversation {
    const conversation: Conversation = conversations.get(row.conversationId) ?? {
      id: row.conversationId,
      waiting: [],
      state: 'idle',
      urgency: urgencies - 1,
      laterUntil: 0,
    }
    conversations.set(row.conversationId, conversation)
    const { waiting } = conversation
    let place = waiting.length
    while (place > 0 && (waiting[place - 1]?.queuedPosition ?? '') > row.queuedPosition) place--
    waiting.splice(place, 0, row)
    byMessage.set(row.messageId, row)
    return conversation
  }

  function remove(row: OutboxRow): Conversation | undefined {
    byMessage.delete(row.messageId)
    const conversation = conversations.get(row.conversationId)
    const place = conversation?.waiting.findIndex(({ messageId }) => messageId === row.messageId) ?? -1
    if (place >= 0) conversation?.waiting.splice(place, 1)
    return conversation
  }

  function isOld(row: OutboxRow): boolean {
    const known = byMessage.get(row.messageId)?.position ?? settled.get(row.messageId)
    return known !== undefined && row.position <= known
  }

  function settle(messageId: string, position: Position): void {
    settled.set(messageId, position)
    if (settled.size <= settledKept) return
    for (const oldest of settled.keys()) {
      settled.delete(oldest)
      break
    }
  }

  function pairOf(id: string, now: number): TokenBucket {
    const known = pairs.get(id)
    if (known !== undefined) return known
    if (pairs.size >= pairsKept) forgetPairs(now)
    const fresh = createTokenBucket(limits.pair, now)
    pairs.set(id, fresh)
    return fresh
  }

  /** A pair at rest is like a new one. If all are busy the oldest half goes: the provider's own limit (131056) still holds for them. */
  function forgetPairs(now: number): void {
    for (const [id, pair] of pairs) if (pair.isFull(now)) pairs.delete(id)
    for (const id of pairs.keys()) {
      if (pairs.size <= pairsKept / 2) break
      pairs.delete(id)
    }
  }

  const ceiling = (): number => (probing ? 1 : limits.atOnce)

  return {
    put(row, now) {
      if (isOld(row)) return
      const known = byMessage.get(row.messageId)
      // What is in flight comes back by `finish`.
      if (conversations.get(row.conversationId)?.sendingId === row.messageId) return
      if (known !== undefined) remove(known)
      const conversation = insert(row)
      if (conversation.state !== 'sending') enqueue(conversation, now)
    },
    next(now) {
      if (now < pausedUntil || flying >= ceiling()) return undefined
      wakeDue(now)
      if (number.readyAt(now) > now) return undefined
      for (const queue of ready) {
        for (const conversation of queue.values()) {
          const [first] = conversation.waiting
          const pair = pairOf(conversation.id, now)
          const free = pair.readyAt(now)
          if (first === undefined || free > now) {
            enqueue(conversation, now, free)
            continue
          }
          queue.delete(conversation.id)
          conversation.state = 'sending'
          conversation.sendingId = first.messageId
          pair.take(now)
          number.take(now)
          flying++
          return first
        }
      }
      return undefined
    },
    wakeAt(now) {
      if (flying >= ceiling()) return undefined
      const anyReady = ready.some((queue) => queue.size > 0)
      const due = anyReady ? number.readyAt(now) : later.nextAt()
      return due === undefined ? undefined : Math.max(due, pausedUntil, now)
    },
    finish(messageId, result, now) {
      const row = byMessage.get(messageId)
      if (row === undefined) return
      flying--
      const conversation = remove(row)
      if ('settled' in result) settle(messageId, result.settled)
      else insert(result.again)
      if (conversation !== undefined) {
        conversation.state = 'idle'
        delete conversation.sendingId
        enqueue(conversation, now)
      }
    },
    pause(until) {
      pausedUntil = Math.max(pausedUntil, until)
      probing = true
    },
    resume(now) {
      pausedUntil = 0
      for (const conversation of conversations.values()) {
        conversation.waiting.forEach((row, place) => {
          if (row.dueAt.getTime() <= now || row.messageId === conversation.sendingId) return
          const due = { ...row, dueAt: new Date(now) }
          conversation.waiting[place] = due
          byMessage.set(row.messageId, due)
        })
        if (conversation.state === 'later') enqueue(conversation, now)
      }
    },
    throttle(wanted) {
      share = wanted
      number.setPerSecond(perSecond * share)
    },
    setPerSecond(wanted) {
      if (wanted === perSecond) return
      perSecond = wanted
      number.setPerSecond(perSecond * share)
    },
    succeeded() {
      probing = false
    },
    remember(sends, now) {
      for (const { conversationId, at } of sends) {
        const then = Math.min(at, now)
        pairOf(conversationId, then).take(then)
        // Before that it does not count, and would only be a debt at a rate that may not be the right one yet.
        if (then > now - 1_000) number.take(then)
      }
    },
    size: () => byMessage.size,
    inFlight: () => flying,
  }
}
