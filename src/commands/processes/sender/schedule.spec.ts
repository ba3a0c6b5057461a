import { describe, expect, it } from 'vitest'
import { positionOf } from '../../../domain/kernel/position.ts'
import type { OutboxRow } from './outbox-table.ts'
import { createSchedule, type Limits } from './schedule.ts'

const limits: Limits = { perSecond: 1_000_000, pair: { perSecond: 1 / 6, burst: 45 }, atOnce: 100 }
const t0 = Date.UTC(2026, 0, 1)
let nth = 0

const message = (conversation: string, over: Partial<OutboxRow> = {}): OutboxRow => {
  const position = positionOf(++nth)
  return {
    tenantId: 'tenant',
    messageId: `m${nth}`,
    channelId: 'channel',
    conversationId: conversation,
    contactId: conversation,
    state: 'queued',
    priority: 0,
    attempt: 0,
    attemptsBefore: 0,
    dueAt: new Date(t0),
    queuedAt: new Date(t0),
    queuedPosition: position,
    position,
    ...over,
  }
}
const scheduleOf = (rows: readonly OutboxRow[], over: Partial<Limits> = {}) => {
  const schedule = createSchedule({ ...limits, ...over }, t0)
  for (const row of rows) schedule.put(row, t0)
  return schedule
}
/** Everything that may go at a moment, each finished at once. */
function drain(schedule: ReturnType<typeof scheduleOf>, now = t0, most = 1000): string[] {
  const sent: string[] = []
  for (let row = schedule.next(now); row !== undefined && sent.length < most; row = schedule.next(now)) {
    sent.push(row.messageId)
    schedule.finish(row.messageId, { settled: positionOf(1_000_000) }, now)
  }
  return sent
}
const after = (row: OutboxRow, ms: number): OutboxRow => ({ ...row, attempt: row.attempt + 1, dueAt: new Date(t0 + ms), position: positionOf(++nth) })

describe('the order of sending', () => {
  it('keeps one message of a conversation in flight at a time, and their order', () => {
    const [first, second] = [message('ana'), message('ana')]
    const schedule = scheduleOf([second, first])
    expect(schedule.next(t0)?.messageId).toBe(first.messageId)
    expect(schedule.next(t0)).toBeUndefined()
    schedule.finish(first.messageId, { settled: positionOf(++nth) }, t0)
    expect(schedule.next(t0)?.messageId).toBe(second.messageId)
  })

  it('lets a message that waits for another try hold up its own conversation and no other', () => {
    const [first, second, other] = [message('ana'), message('ana'), message('berta')]
    const schedule = scheduleOf([first, second, other])
    schedule.next(t0)
    schedule.finish(first.messageId, { again: after(first, 5_000) }, t0)
    expect(drain(schedule)).toEqual([other.messageId])
    expect(schedule.wakeAt(t0)).toBe(t0 + 5_000)
    expect(drain(schedule, t0 + 4_999)).toEqual([])
    expect(drain(schedule, t0 + 5_000)).toEqual([first.messageId, second.messageId])
  })

  it('puts a message that is retried by hand in front of later ones of its conversation', () => {
    const [failed, second, third] = [message('ana'), message('ana'), message('ana')]
    const schedule = scheduleOf([second, third])
    expect(schedule.next(t0)?.messageId).toBe(second.messageId)
    schedule.put(after(failed, 0), t0)
    schedule.finish(second.messageId, { settled: positionOf(++nth) }, t0)
    expect(drain(schedule)).toEqual([failed.messageId, third.messageId])
  })

  it('lets agents go before automation before campaigns', () => {
    const [campaign, automation, agent] = [message('a', { priority: 2 }), message('b', { priority: 1 }), message('c')]
    expect(drain(scheduleOf([campaign, automation, agent]))).toEqual([agent.messageId, automation.messageId, campaign.messageId])
  })

  it('hurries a campaign message that an answer of an agent waits behind', () => {
    const [other, campaign] = [message('berta', { priority: 2 }), message('ana', { priority: 2 })]
    const schedule = scheduleOf([other, campaign])
    const answer = message('ana')
    schedule.put(answer, t0)
    expect(drain(schedule)).toEqual([campaign.messageId, answer.messageId, other.messageId])
  })

  it('lets conversations of one urgency take turns', () => {
    const rows = [message('ana'), message('ana'), message('ana'), message('berta'), message('carla')]
    const [a1, a2, a3, b1, c1] = rows.map(({ messageId }) => messageId)
    expect(drain(scheduleOf(rows))).toEqual([a1, b1, c1, a2, a3])
  })

  it('keeps the place of a conversation that gets one more message', () => {
    const [a, b] = [message('ana'), message('berta')]
    const schedule = scheduleOf([a, b])
    schedule.put(message('ana'), t0)
    expect(schedule.next(t0)?.messageId).toBe(a.messageId)
  })
})

describe('the limits of a number', () => {
  it('sends 45 messages to one person at once and then one in six seconds', () => {
    const schedule = scheduleOf(Array.from({ length: 50 }, () => message('ana')))
    expect(drain(schedule)).toHaveLength(45)
    expect(schedule.wakeAt(t0)).toBe(t0 + 6_000)
    expect(drain(schedule, t0 + 5_999)).toHaveLength(0)
    expect(drain(schedule, t0 + 6_000)).toHaveLength(1)
    expect(drain(schedule, t0 + 30_000)).toHaveLength(4)
  })

  it('does not let one person at the limit hold up the others', () => {
    const schedule = scheduleOf([...Array.from({ length: 46 }, () => message('ana')), message('berta')])
    expect(drain(schedule)).toHaveLength(46)
  })

  it('keeps to the rate of the number in every second', () => {
    const schedule = scheduleOf(
      Array.from({ length: 1000 }, (_, index) => message(`c${index}`)),
      { perSecond: 80 },
    )
    const sent: number[] = []
    for (let now = t0; now < t0 + 5_000; now += 10) sent.push(...drain(schedule, now).map(() => now))
    expect(sent.length).toBeGreaterThanOrEqual(390)
    for (const from of sent) expect(sent.filter((at) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(84)
  })

  it('goes slower when it is throttled, and faster when the number may send more', () => {
    const rows = Array.from({ length: 5000 }, (_, index) => message(`c${index}`))
    const second = (schedule: ReturnType<typeof scheduleOf>, from: number): number => {
      let sent = 0
      for (let now = from; now < from + 1_000; now += 10) sent += drain(schedule, now).length
      return sent
    }
    const schedule = scheduleOf(rows, { perSecond: 80 })
    second(schedule, t0)
    schedule.throttle(0.5)
    expect(second(schedule, t0 + 1_000)).toBeLessThanOrEqual(43)
    schedule.throttle(1)
    schedule.setPerSecond(1_000)
    expect(second(schedule, t0 + 2_000)).toBeGreaterThan(900)
  })

  it('has no more calls under way than allowed', () => {
    const schedule = scheduleOf([message('a'), message('b'), message('c')], { atOnce: 2 })
    const first = schedule.next(t0)
    schedule.next(t0)
    expect(schedule.next(t0)).toBeUndefined()
    expect(schedule.wakeAt(t0)).toBeUndefined()
    schedule.finish(first?.messageId ?? '', { settled: positionOf(++nth) }, t0)
    expect(schedule.next(t0)).toBeDefined()
  })
})

describe('a pause of the channel', () => {
  it('holds everything, then lets one message through before the others follow', () => {
    const schedule = scheduleOf([message('a'), message('b'), message('c')])
    schedule.pause(t0 + 60_000)
    expect(schedule.next(t0 + 59_999)).toBeUndefined()
    expect(schedule.wakeAt(t0)).toBe(t0 + 60_000)
    const probe = schedule.next(t0 + 60_000)
    expect(probe).toBeDefined()
    expect(schedule.next(t0 + 60_000)).toBeUndefined()
    schedule.succeeded()
    schedule.finish(probe?.messageId ?? '', { settled: positionOf(++nth) }, t0 + 60_000)
    expect(drain(schedule, t0 + 60_000)).toHaveLength(2)
  })

  it('goes on after a probe that failed, and the next probe is another message', () => {
    const [a, b, c] = [message('a'), message('b'), message('c')]
    const schedule = scheduleOf([a, b, c])
    schedule.pause(t0 + 60_000)
    const probe = schedule.next(t0 + 60_000)
    expect(probe?.messageId).toBe(a.messageId)
    schedule.finish(a.messageId, { again: after(a, 180_000) }, t0 + 60_000)
    schedule.pause(t0 + 180_000)
    expect(schedule.next(t0 + 179_999)).toBeUndefined()
    expect(schedule.next(t0 + 180_000)?.messageId).toBe(b.messageId)
    expect(schedule.next(t0 + 180_000)).toBeUndefined()
    schedule.resume(t0 + 180_000)
    schedule.succeeded()
    schedule.finish(b.messageId, { settled: positionOf(++nth) }, t0 + 180_000)
    expect(drain(schedule, t0 + 180_000).toSorted()).toEqual([a.messageId, c.messageId].toSorted())
  })

  it('ends at once when the channel was connected again, also for messages deferred to its end', () => {
    const row = message('a')
    const schedule = scheduleOf([row])
    schedule.next(t0)
    schedule.finish(row.messageId, { again: after(row, 300_000) }, t0)
    schedule.pause(t0 + 300_000)
    schedule.resume(t0 + 1_000)
    expect(schedule.next(t0 + 1_000)?.messageId).toBe(row.messageId)
  })
})

describe('what is known of a message', () => {
  it('is not undone by older news', () => {
    const row = message('a')
    const schedule = scheduleOf([row])
    schedule.next(t0)
    schedule.put({ ...row, position: positionOf(++nth) }, t0)
    expect(schedule.next(t0)).toBeUndefined()
    const settled = positionOf(++nth)
    schedule.finish(row.messageId, { settled }, t0)
    schedule.put(row, t0)
    schedule.put({ ...row, position: settled }, t0)
    expect(schedule.size()).toBe(0)
    schedule.put(after(row, 0), t0)
    expect(schedule.next(t0)?.messageId).toBe(row.messageId)
  })

  it('leaves nothing behind when all is sent', () => {
    const rows = Array.from({ length: 2000 }, (_, index) => message(`c${index % 700}`, { priority: index % 3 }))
    const schedule = scheduleOf(rows)
    expect(new Set(drain(schedule, t0, 5000)).size).toBe(2000)
    expect([schedule.size(), schedule.inFlight(), schedule.wakeAt(t0)]).toEqual([0, 0, undefined])
  })
})

describe('what went out before, by another sender', () => {
  const sends = (count: number, conversationId: string, at: number) => Array.from({ length: count }, () => ({ conversationId, at }))

  it('counts for its pair until the pair is at rest', () => {
    const rows = Array.from({ length: 50 }, () => message('ana'))
    const schedule = scheduleOf(rows)
    schedule.remember(sends(44, 'ana', t0 - 3_000), t0)
    expect(drain(schedule)).toHaveLength(1)
    const late = scheduleOf(rows)
    late.remember(sends(44, 'ana', t0 - 270_000), t0)
    expect(drain(late)).toHaveLength(45)
  })

  it('counts for the number within its second, and not after it', () => {
    const rows = Array.from({ length: 30 }, (_, n) => message(`person ${n}`))
    const before = Array.from({ length: 10 }, (_, n) => ({ conversationId: `other ${n}`, at: t0 - 900 + n }))
    const schedule = scheduleOf(rows, { perSecond: 10 })
    schedule.remember(before, t0)
    const times: number[] = before.map(({ at }) => at)
    for (let now = t0; now < t0 + 5_000; now += 5) for (const _ of drain(schedule, now)) times.push(now)
    expect(times).toHaveLength(40)
    // In no second more than ten, wherever it begins, also across the handover.
    for (let first = 0; first + 10 < times.length; first++) expect((times[first + 10] ?? 0) - (times[first] ?? 0)).toBeGreaterThanOrEqual(1_000)
  })
})
