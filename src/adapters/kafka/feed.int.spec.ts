import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { someEvents } from '../../../tests/support/events.ts'
import { carrierTo } from '../../../tests/support/kafka/carry.ts'
import { sharedKafka } from '../../../tests/support/kafka/kafka-server.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { SourceDelivery } from '../../domain/kernel/event-source.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { createPool } from '../../postgres/pool.ts'
import { createMemoryEventStore } from '../event-store/memory/event-store.ts'
import { createKafka } from './client.ts'
import { createKafkaFeed, type KafkaFeed, type KafkaFeedOptions } from './feed.ts'

const shared = await sharedKafka()
const tenant = '0197c0de-0000-7000-8000-00000000000a'
const partitions = 4
const logger = pino({ level: 'silent' })

describe.skipIf(shared === undefined)('the log, fed by Kafka', () => {
  let home: TestDatabase
  let pool: Pool
  let kafka: Kafka
  let store: EventStore
  let topic: string
  let carrier: Awaited<ReturnType<typeof carrierTo>>
  let feeds: KafkaFeed[]
  let stop: AbortController
  /** How often the log was read by a feed. */
  let looks: number

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 5, name: 'feed' })
    kafka = createKafka({ brokers: shared?.brokers ?? [], tls: false, sasl: undefined, clientId: 'feed spec', log: logger })
  })
  afterAll(async () => {
    await pool.end()
    await home.drop()
  })
  beforeEach(async () => {
    store = createMemoryEventStore()
    topic = `feed-${randomUUID()}.events`
    carrier = await carrierTo({ kafka, topic, partitions, pool })
    feeds = []
    looks = 0
    stop = new AbortController()
  })
  afterEach(async () => {
    stop.abort()
    await Promise.all(feeds.map((feed) => feed.close()))
    await carrier.close()
    await store.close()
  })

  /** Appends to so many streams in turn, and gives back what the log made of it. */
  async function happen(count: number, streams = 12): Promise<readonly RecordedEvent[]> {
    const after = (await store.head()).position
    for (let nth = 0; nth < count; nth++) {
      await store.append({ stream: streamRef('conversation', tenant, `stream-${nth % streams}`), expected: 'any', events: someEvents(1) })
    }
    return (await store.readAll({ after, limit: count })).events
  }

  async function publish(events: readonly RecordedEvent[]): Promise<void> {
    await carrier.carry(events)
    await carrier.say(events.at(-1)?.position ?? start)
  }

  function feedOf(more: Partial<KafkaFeedOptions> = {}): KafkaFeed {
    const log: KafkaFeedOptions['log'] = {
      readAll(read) {
        looks++
        return store.readAll(read)
      },
    }
    const feed = createKafkaFeed({ kafka, topic, groupPrefix: `${topic}.`, pool, listenUrl: home.url, log, logger, ...more })
    feeds.push(feed)
    return feed
  }

  type Following = {
    readonly seen: RecordedEvent[]
    readonly last: () => SourceDelivery | undefined
    readonly until: (position: Position) => Promise<void>
    readonly leave: () => Promise<void>
  }

  function follow(
    feed: KafkaFeed,
    { after = start, place, types, pageSize = 1_000, slowMs = 0, name = 'follower' }: Partial<FollowHow> = {},
  ): Following {
    const leave = new AbortController()
    const seen: RecordedEvent[] = []
    let last: SourceDelivery | undefined
    const signal = AbortSignal.any([stop.signal, leave.signal])
    const done = (async () => {
      for await (const delivery of feed.subscribe({ name, after, place, ...(types === undefined ? {} : { filter: { types } }), pageSize, signal })) {
        expect(delivery.through >= (last?.through ?? after)).toBe(true)
        last = delivery
        if (delivery.kind === 'page') seen.push(...delivery.events)
        if (slowMs > 0) await sleep(slowMs)
      }
    })()
    return {
      seen,
      last: () => last,
      until: async (position) => expect.poll(() => last?.through, { timeout: 60_000 }).toBe(position),
      async leave() {
        leave.abort()
        await done
      },
    }
  }
  type FollowHow = { after: Position; place: string | undefined; types: readonly string[]; pageSize: number; slowMs: number; name: string }

  const lastOf = (events: readonly RecordedEvent[]): Position => events.at(-1)?.position ?? start

  it('is the log itself: every event as it was recorded, in order, first from the log and then from the topic', async () => {
    const before = await happen(50)
    await publish(before)
    const follower = follow(feedOf())
    await follower.until(lastOf(before))
    const looked = looks
    expect(looked).toBeGreaterThan(0)
    const after = await happen(120)
    for (const event of after) await publish([event])
    await follower.until(lastOf(after))
    expect(follower.seen).toEqual([...before, ...after])
    // It may look when the topic is slow for a moment; the 120 events come from the topic.
    expect(looks - looked).toBeLessThan(5)
  })

  it('tells how far it is over what a follower did not ask for', async () => {
    const events = await happen(40)
    await publish(events)
    const follower = follow(feedOf(), { types: ['NothingOfTheKind'] })
    await follower.until(lastOf(events))
    const more = await happen(3)
    await publish(more)
    await follower.until(lastOf(more))
    expect(follower.seen).toEqual([])
  })

  it('goes on from its place in the topic, without the log', async () => {
    const events = await happen(60)
    await publish(events)
    const first = follow(feedOf(), { pageSize: 7 })
    await first.until(lastOf(events))
    const more = await happen(60)
    await publish(more)
    await first.until(lastOf(more))
    const last = first.last()
    await first.leave()
    const rest = await happen(60)
    await publish(rest)
    looks = 0
    const second = follow(feedOf(), { after: last?.through ?? start, place: last?.place, pageSize: 7 })
    await second.until(lastOf(rest))
    expect(second.seen).toEqual(rest)
    expect(looks).toBe(0)
  })

  it('is not held up by what transactions leave behind', async () => {
    await carrier.say(start)
    const follower = follow(feedOf())
    await carrier.untilMembers(`${topic}.follower`, 1)
    const events = await happen(20)
    await carrier.carryAndAbort(events)
    await publish(events.slice(0, 10))
    await follower.until(lastOf(events.slice(0, 10)))
    await carrier.carryAndAbort(events.slice(10))
    await publish(events.slice(10))
    await follower.until(lastOf(events))
    const place = follower.last()?.place
    await follower.leave()
    await carrier.carryAndAbort(events)
    // Behind the last record only offsets that hold nothing: the partition is complete all the same.
    const [next] = await happen(1)
    await publish(next === undefined ? [] : [next])
    const again = follow(feedOf(), { after: lastOf(events), place })
    await again.until(next?.position ?? start)
    expect([...follower.seen, ...again.seen]).toEqual([...events, next])
  })

  it('looks into the log for an event of which the topic only keeps the place', async () => {
    const [first, second, third] = await happen(3)
    if (first === undefined || second === undefined || third === undefined) throw new Error('three events were asked for')
    await carrier.say(start)
    const follower = follow(feedOf())
    await carrier.carry([first])
    await carrier.carryPlaces([second])
    await carrier.carry([third])
    await carrier.say(third.position)
    await follower.until(third.position)
    expect(follower.seen).toEqual([first, second, third])
  })

  it('goes back to the log when the topic has forgotten what is next', async () => {
    const events = await happen(30)
    await carrier.say(start)
    const follower = follow(feedOf(), { name: 'first' })
    await publish(events)
    await follower.until(lastOf(events))
    const { through, place } = follower.last() ?? {}
    await follower.leave()
    const missed = await happen(30)
    await publish(missed)
    await carrier.settled()
    for (const [partition, end] of carrier.ends().entries()) if (end !== '0') await carrier.forget(partition, end)
    const more = await happen(30)
    await publish(more)
    const again = follow(feedOf(), { after: through ?? start, place })
    await again.until(lastOf(more))
    expect(again.seen).toEqual([...missed, ...more])
  })

  it('reads the log instead of the topic when it is far behind', async () => {
    const events = await happen(60)
    await publish(events)
    await carrier.settled()
    const follower = follow(feedOf({ farBehind: 20 }), { place: `${topic} 0,0,0,0` })
    await follower.until(lastOf(events))
    expect(looks).toBeGreaterThan(0)
    expect(follower.seen).toEqual(events)
  })

  it('fetches no more than a slow follower can take', async () => {
    await carrier.say(start)
    const follower = follow(feedOf({ mostWaiting: 5 }), { pageSize: 10, slowMs: 20 })
    const events = await happen(400)
    for (let nth = 0; nth < events.length; nth += 20) await publish(events.slice(nth, nth + 20))
    await follower.until(lastOf(events))
    expect(follower.seen).toEqual(events)
  })

  it('gives up a consumer that brings nothing of what is published and does not say why', async () => {
    const before = await happen(20)
    await publish(before)
    let made = 0
    const flawed: Kafka = Object.create(kafka) as Kafka
    flawed.consumer = (options) => {
      const consumer = kafka.consumer(options)
      if (made++ === 0) consumer.run = async () => Promise.resolve()
      return consumer
    }
    const follower = follow(feedOf({ kafka: flawed, stalledMs: 300 }))
    await follower.until(lastOf(before))
    const after = await happen(20)
    await publish(after)
    await follower.until(lastOf(after))
    expect(follower.seen).toEqual([...before, ...after])
    expect(made).toBeGreaterThan(1)
  })

  it('loses nothing and repeats nothing while others come into its group and leave it', async () => {
    await carrier.say(start)
    const follower = follow(feedOf(), { pageSize: 10 })
    const group = `${topic}.follower`
    await carrier.untilMembers(group, 1)
    const all: RecordedEvent[] = []
    const ended = new AbortController()
    const load = (async () => {
      while (!ended.signal.aborted) {
        const events = await happen(5)
        await publish(events)
        all.push(...events)
      }
    })()
    for (let round = 0; round < 3; round++) {
      // It takes half of the partitions and does nothing with them: what is in them has to wait until it is gone.
      const intruder = kafka.consumer({ groupId: group, sessionTimeout: 6_000 })
      await intruder.connect()
      await intruder.subscribe({ topics: [topic], fromBeginning: true })
      await intruder.run({ autoCommit: false, eachMessage: () => Promise.resolve() })
      await carrier.untilMembers(group, 2)
      await sleep(300)
      await intruder.disconnect()
      await carrier.untilMembers(group, 1)
    }
    ended.abort()
    await load
    await follower.until(lastOf(all))
    expect(follower.seen).toEqual(all)
  })

  it('does not wait for a member that was killed', async () => {
    await carrier.say(start)
    const group = `${topic}.follower`
    const dead = kafka.consumer({ groupId: group, sessionTimeout: 60_000 })
    await dead.connect()
    await dead.subscribe({ topics: [topic], fromBeginning: true })
    await dead.run({ autoCommit: false, eachMessage: () => Promise.resolve() })
    await carrier.untilMembers(group, 1)
    const follower = follow(feedOf())
    const events = await happen(20)
    await publish(events)
    await follower.until(lastOf(events))
    expect(follower.seen).toEqual(events)
    expect(await carrier.members(group)).toBe(1)
    await dead.disconnect()
  })

  it('leaves its group when nobody follows any more', async () => {
    await carrier.say(start)
    const follower = follow(feedOf())
    await carrier.untilMembers(`${topic}.follower`, 1)
    await follower.leave()
    await carrier.untilMembers(`${topic}.follower`, 0)
  })
})
