import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { publisherOf } from '../../src/commands/processes/publisher/publisher.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { checkpointOf } from '../../src/postgres/lease.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { someEvents } from '../support/events.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import { ownKafka } from '../support/kafka/kafka-server.ts'
import type { PublisherTask } from '../support/kafka/publisher-process.ts'
import { auditTopic } from '../support/kafka/topic-audit.ts'

/** How often something is killed in each test; KAFKA_KILLS=200 for a long night. */
const kills = Number(process.env['KAFKA_KILLS'] ?? 3)
const program = fileURLToPath(new URL('../support/kafka/publisher-process.ts', import.meta.url))
const sound = { missing: 0, doubled: 0, strange: 0, disorderedStreams: 0, changed: 0 }

const one = await ownKafka()

type Publisher = {
  /** Records of its pages so far. */
  readonly pages: readonly number[]
  readonly warnings: readonly string[]
  /** How often it said that a trouble is over. */
  readonly recoveries: () => number
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<unknown>
}

function publisher(task: PublisherTask): Publisher {
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pages: number[] = []
  const warnings: string[] = []
  let recoveries = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) {
      const { level, msg } = JSON.parse(line) as { level: number; msg: string }
      if (level >= 40) warnings.push(msg)
      else if (msg === 'publishing again') recoveries++
    } else pages.push(Number(line.split(' ')[0]))
  })
  return { pages, warnings, recoveries: () => recoveries, signal: (signal) => void child.kill(signal), ended: once(child, 'exit') }
}

describe.skipIf(one === undefined)('publishing to Kafka, when something dies', () => {
  let database: TestDatabase
  let pool: Pool
  let store: EventStore
  let prefix: string
  let alive: Set<Publisher>
  let writing: AbortController
  beforeEach(async () => {
    database = await freshDatabase()
    pool = createPool({ url: database.url, role: 'recado_worker', max: 8, name: 'faults' })
    store = createPostgresEventStore({ pool, listenUrl: database.url })
    prefix = `faults-${randomUUID()}`
    alive = new Set()
    writing = new AbortController()
  })
  afterEach(async () => {
    writing.abort()
    await Promise.all([...alive].map(async (one) => end(one, 'SIGKILL')))
    await store.close()
    await pool.end()
    await database.drop()
  })

  function start(cluster: KafkaCluster | undefined, pageSize = 20): Publisher {
    const started = publisher({ url: database.url, brokers: cluster?.brokers ?? [], prefix, pageSize })
    alive.add(started)
    return started
  }
  async function end(one: Publisher, signal: NodeJS.Signals): Promise<void> {
    alive.delete(one)
    one.signal(signal)
    await one.ended
  }
  /** Steady, on a few streams, so that every page has neighbours of one key; and never so far ahead that the end is a wait for what was piled up. */
  async function write(): Promise<void> {
    const tenantId = randomUUID()
    const streams = Array.from({ length: 12 }, (_, nth) => ({ stream: streamRef('conversation', tenantId, `stream-${nth}`), version: 0 }))
    while (!writing.signal.aborted) {
      const { position } = await store.head()
      if (Number(position) - Number(await progress()) > 600) {
        await sleep(20)
        continue
      }
      await Promise.all(
        streams.map(async (one) => {
          const result = await store.append({ stream: one.stream, expected: one.version, events: someEvents(1 + Math.floor(Math.random() * 3)) })
          one.version = result.version
        }),
      )
      await sleep(10)
    }
  }
  const progress = async (): Promise<string> => (await checkpointOf(pool, publisherOf({ name: `${prefix}.events` }))) ?? ''
  async function allPublished(): Promise<void> {
    const { position } = await store.head()
    await expect.poll(progress, { timeout: 120_000 }).toBe(position)
  }
  const moving = async (): Promise<void> => {
    const before = await progress()
    await expect.poll(progress, { timeout: 120_000 }).not.toBe(before)
  }

  it('puts every event there once and in order, whatever moment its process is killed at', async () => {
    const writer = write()
    for (let kill = 0; kill < kills; kill++) {
      const now = start(one)
      // Sometimes while it opens, mostly in the middle of a page: a page of 20 takes some ten milliseconds.
      if (kill % 4 !== 3) await expect.poll(() => now.pages.length, { timeout: 60_000 }).toBeGreaterThan(1)
      await sleep(Math.random() * 400)
      await end(now, 'SIGKILL')
    }
    writing.abort()
    await writer
    start(one)
    await allPublished()
    const { events, published, ...faults } = await auditTopic(store, one?.brokers ?? [], `${prefix}.events`)
    expect(faults).toEqual(sound)
    expect(published).toBe(events)
  })

  it('is not disturbed by a publisher that slept through its lease and wakes up', async () => {
    const writer = write()
    const sleeper = start(one)
    await expect.poll(() => sleeper.pages.length).toBeGreaterThan(3)
    sleeper.signal('SIGSTOP')
    const next = start(one)
    await expect.poll(() => next.pages.length, { timeout: 60_000 }).toBeGreaterThan(3)
    sleeper.signal('SIGCONT')
    await moving()
    await sleep(1_000)
    writing.abort()
    await writer
    await allPublished()
    const { events, published, ...faults } = await auditTopic(store, one?.brokers ?? [], `${prefix}.events`)
    expect(faults).toEqual(sound)
    expect(published).toBe(events)
  })

  it('goes on by itself after the broker was killed or frozen, and says so once each time', async () => {
    const writer = write()
    const now = start(one)
    await moving()
    const [node] = one?.nodes ?? []
    await node?.kill()
    await expect.poll(() => now.warnings.length, { timeout: 60_000 }).toBe(1)
    await node?.start()
    await one?.ready()
    // Progress alone does not say it: what was committed without an answer is found by the next opening, before anything new is published.
    await expect.poll(now.recoveries, { timeout: 120_000 }).toBe(1)
    await node?.freeze()
    await expect.poll(() => now.warnings.length, { timeout: 90_000 }).toBe(2)
    await node?.thaw()
    await expect.poll(now.recoveries, { timeout: 120_000 }).toBe(2)
    writing.abort()
    await writer
    await allPublished()
    await end(now, 'SIGTERM')
    const { events, published, ...faults } = await auditTopic(store, one?.brokers ?? [], `${prefix}.events`)
    expect(faults).toEqual(sound)
    expect(published).toBe(events)
    expect(now.warnings).toEqual([expect.stringMatching(/cannot be written to/), expect.stringMatching(/cannot be written to/)])
  })

  describe('one broker of three at a time', () => {
    let three: KafkaCluster | undefined
    beforeAll(async () => {
      three = await ownKafka({ nodes: 3 })
    })
    afterAll(async () => three?.close())

    it('goes on, and everything is there once and in order', async () => {
      const writer = write()
      const now = start(three, 100)
      await moving()
      for (let kill = 0; kill < Math.max(2, kills / 3); kill++) {
        const node = three?.nodes[kill % 3]
        await node?.kill()
        await moving()
        await node?.start()
        await three?.ready()
        await moving()
      }
      writing.abort()
      await writer
      await allPublished()
      await end(now, 'SIGTERM')
      const { events, published, ...faults } = await auditTopic(store, three?.brokers ?? [], `${prefix}.events`)
      expect(faults).toEqual(sound)
      expect(published).toBe(events)
    })
  })

  afterAll(async () => one?.close())
})
