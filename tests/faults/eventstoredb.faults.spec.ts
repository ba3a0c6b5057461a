import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEventStoreDbEventStore, type EventStoreDb } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { Position } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { newAttachmentSeal } from '../support/attachments.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { fragileEventStoreDb, type FragileServer } from '../support/eventstoredb-process.ts'
import { through } from '../support/eventstoredb-server.ts'
import { startFaultRelay, type FaultRelay } from '../support/fault-relay.ts'
import { allIsWell, startLoad, verdict, type Load } from '../support/store-load.ts'

// Short here; `EVENTSTOREDB_BLACK_HOLE_SECONDS=60 EVENTSTOREDB_FREEZE_SECONDS=30` for what an operator is promised. 18 s are what keepalive needs to notice.
const blackHoleMs = 1_000 * Number(process.env['EVENTSTOREDB_BLACK_HOLE_SECONDS'] ?? 5)
const freezeMs = 1_000 * Number(process.env['EVENTSTOREDB_FREEZE_SECONDS'] ?? 4)
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))
const patience = { timeout: 240_000, interval: 50 }

/**
 * Writers and readers at work while the server dies, freezes or is cut off. What must hold every time: nothing acknowledged is lost, nothing is there twice,
 * every stream is whole and in order, whoever follows the log sees exactly the log, and all of it goes on by itself.
 */
describe('the event store on EventStoreDB, under load', () => {
  let server: FragileServer
  let relay: FaultRelay
  let database: TestDatabase
  let pool: ReturnType<typeof createPool>
  let seal: Awaited<ReturnType<typeof newAttachmentSeal>>
  let url: string
  beforeAll(async () => {
    server = await fragileEventStoreDb()
    const { hostname, port } = new URL(server.url)
    relay = await startFaultRelay({ target: { host: hostname, port: Number(port === '' ? 2113 : port) } })
    url = through(server.url, relay.address)
    database = await freshDatabase()
    pool = createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'faults' })
    seal = await newAttachmentSeal(pool)
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
    await relay.close()
    await server.stop()
  })

  const open = (at = url): EventStoreDb => createEventStoreDbEventStore({ url: at, attachments: seal })

  /** The tenant's events after a position, as a follower gets them. */
  function follow(store: EventStoreDb, after: Position, tenantId: string) {
    const seen: RecordedEvent[] = []
    const stop = new AbortController()
    const done = (async () => {
      for await (const delivery of store.subscribe({ after, signal: stop.signal }))
        if (delivery.kind === 'page') for (const event of delivery.events) if (event.stream.tenantId === tenantId) seen.push(event)
    })()
    return {
      seen,
      async end(): Promise<void> {
        stop.abort()
        await done
      },
    }
  }
  async function logOf(store: EventStoreDb, after: Position, tenantId: string): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = []
    const { position: head } = await store.head()
    for (let from = after; from < head;) {
      const page = await store.readAll({ after: from, limit: 1_000, filter: { tenantId } })
      found.push(...page.events)
      from = page.through
    }
    return found
  }

  /** Two processes' worth of stores write and follow; `harm` does its worst meanwhile and is told how far the load has come. */
  async function endures(harm: (goesOn: (more?: number) => Promise<void>, load: Load) => Promise<void>): Promise<void> {
    const [writer, reader] = [open(), open()]
    const { position: from } = await writer.head()
    const load = startLoad(writer, { callers: 24 })
    const other = startLoad(reader, { callers: 8, tenantId: load.tenantId })
    const followers = [follow(writer, from, load.tenantId), follow(reader, from, load.tenantId)]
    /** By itself, without anybody's help: so many more appends are acknowledged, by both stores. */
    const goesOn = async (more = 60): Promise<void> => {
      const [a, b] = [load.acknowledged.length + more, other.acknowledged.length + Math.ceil(more / 4)]
      await expect.poll(() => load.acknowledged.length, patience).toBeGreaterThan(a)
      await expect.poll(() => other.acknowledged.length, patience).toBeGreaterThan(b)
    }
    await goesOn()
    await harm(goesOn, load)
    await goesOn()
    await Promise.all([load.stop(), other.stop()])
    expect([...load.mistakes, ...other.mistakes]).toEqual([])
    for (const { reason } of [...load.refusals, ...other.refusals]) expect(reason).toBe('connection')

    const judge = open(server.url)
    const log = await logOf(judge, from, load.tenantId)
    const both = { acknowledged: [...load.acknowledged, ...other.acknowledged] }
    expect(verdict(both, log)).toEqual(allIsWell)
    const ids = log.map(({ id }) => id)
    for (const follower of followers) {
      await expect.poll(() => follower.seen.length, patience).toBeGreaterThanOrEqual(ids.length)
      await follower.end()
      expect(follower.seen.map(({ id }) => id)).toEqual(ids)
    }
    await Promise.all([writer, reader, judge].map(async (store) => store.close()))
  }
  const killable = (test: () => Promise<void>) => async (context: { skip: (why: string) => void }) =>
    server.process === undefined ? context.skip('nobody handed over the process of the server') : test()

  it(
    'outlives kill -9 of the server, five times',
    killable(async () =>
      endures(async (goesOn) => {
        for (let kill = 0; kill < 5; kill += 1) {
          await server.process?.kill()
          await sleep(Math.random() * 1_000)
          await server.process?.start()
          await goesOn()
        }
      }),
    ),
  )

  it(
    'outlives SIGTERM of the server, with subscriptions that end without a status',
    killable(async () =>
      endures(async (goesOn) => {
        for (let round = 0; round < 2; round += 1) {
          await server.process?.terminate()
          await server.process?.start()
          await goesOn()
        }
      }),
    ),
  )

  it(
    `outlives a freeze of ${freezeMs / 1_000} s`,
    killable(async () =>
      endures(async (goesOn, load) => {
        server.process?.freeze()
        const before = load.acknowledged.length
        await sleep(freezeMs)
        // What was under way when it froze may still have been answered; after that nobody may be told a lie.
        expect(load.acknowledged.length - before).toBeLessThan(200)
        server.process?.thaw()
        await goesOn()
      }),
    ),
  )

  it(`outlives a black hole of ${blackHoleMs / 1_000} s`, async () =>
    endures(async (goesOn) => {
      relay.blackHole('both')
      await sleep(blackHoleMs)
      relay.heal()
      await goesOn()
    }))

  it('outlives a hole through which only requests pass, and then only answers', async () =>
    endures(async (goesOn) => {
      for (const direction of ['toClient', 'toServer'] as const) {
        relay.blackHole(direction)
        await sleep(Math.min(blackHoleMs, 5_000))
        relay.heal()
        await goesOn()
      }
    }))

  it('outlives thirty resets, lost hosts and a closed port', async () =>
    endures(async (goesOn) => {
      for (let round = 0; round < 30; round += 1) {
        relay.reset()
        await goesOn(10)
      }
      relay.halfOpen()
      await goesOn()
      await relay.down()
      await sleep(1_000)
      await relay.up()
      await goesOn()
    }))

  it('stores once what it was never answered for', async () =>
    endures(async (goesOn) => {
      let cut = 0
      // Not the first words of a connection: what matters are answers to appends.
      relay.cutAnswers(({ nth }) => {
        const now = nth > 20 && Math.random() < 0.02
        if (now) cut += 1
        return now
      })
      await expect.poll(() => cut, patience).toBeGreaterThan(15)
      relay.heal()
      await goesOn()
    }))

  it('keeps every acknowledged append once when a writer is killed in mid append, again and again', async () => {
    const judge = open()
    const { position: from } = await judge.head()
    const task = { url, tenantId: randomUUID(), streams: 200, callers: 16 }
    const acknowledged: string[] = []
    let kills = 0
    // Proved by the number of kills and appends, however long they take here. Three writers share the streams, so that every one has rivals.
    const lives = Array.from({ length: 3 }, async () => {
      while (kills <= 10 || acknowledged.length <= 1_500) {
        const child = spawn(process.execPath, [writer, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
        const said = heard(child)
        await Promise.race([once(child.stdout, 'data'), said])
        await sleep(Math.random() * 1_500)
        child.kill('SIGKILL')
        kills += 1
        acknowledged.push(...(await said))
      }
    })
    await Promise.all(lives)
    const log = await logOf(judge, from, task.tenantId)
    const stored = new Set(log.map(({ id }) => id))
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
    expect(verdict({ acknowledged: [] }, log)).toEqual(allIsWell)
    await judge.close()
  })

  it('misses nothing of a crowd of 400 callers, whose bursts are more than a live subscription holds', async () => {
    const store = open()
    const { position: from } = await store.head()
    const load = startLoad(store, { callers: 1 })
    await expect.poll(() => load.acknowledged.length, patience).toBeGreaterThan(3)
    const follower = follow(store, from, load.tenantId)
    await expect.poll(() => follower.seen.length, patience).toBeGreaterThan(3)
    const crowd = startLoad(store, { callers: 400, tenantId: load.tenantId })
    await expect.poll(() => crowd.acknowledged.length, patience).toBeGreaterThan(3_000)
    await Promise.all([load.stop(), crowd.stop()])
    const log = await logOf(store, from, load.tenantId)
    expect(verdict({ acknowledged: [...load.acknowledged, ...crowd.acknowledged] }, log)).toEqual(allIsWell)
    await expect.poll(() => follower.seen.length, patience).toBeGreaterThanOrEqual(log.length)
    await follower.end()
    expect(follower.seen.map(({ id }) => id)).toEqual(log.map(({ id }) => id))
    expect([...load.mistakes, ...crowd.mistakes, ...load.refusals]).toEqual([])
    await store.close()
  })
})

/** The ids on every line that was said to its end; what a kill cut off was not acknowledged to anybody. */
async function heard(child: ChildProcess): Promise<string[]> {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await new Promise((resolve) => child.once('close', resolve))
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split(/\s+/)
    .filter(Boolean)
}
