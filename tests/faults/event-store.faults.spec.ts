import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/adapters/embedded-postgres/start.ts'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { AttachmentSeal } from '../../src/domain/kernel/attachments.ts'
import { StoreUnavailable, type EventStore } from '../../src/domain/kernel/event-store.ts'
import { start } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { newAttachmentSeal } from '../support/attachments.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { collect, followUntil, someEvents, someStream } from '../support/events.ts'
import { relayedPostgres } from '../support/fault-relay.ts'
import { auditLog } from '../support/log-audit.ts'

const sound = { holes: 0, brokenStreams: 0, eventsTwice: 0, timeTurned: 0 }
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('the event store, when what it runs on dies', () => {
  // A server of its own: it is going to be killed.
  const home = mkdtempSync(join(tmpdir(), 'recado-faults-'))
  chmodSync(home, 0o755)
  const startServer = (): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ dataDir: join(home, 'data'), log: quiet })
  let server: EmbeddedPostgres
  let database: TestDatabase
  beforeAll(async () => {
    server = await startServer()
    database = await freshDatabase(server.url)
  })
  afterAll(async () => {
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  })

  function openStore(url = database.url, attachments?: AttachmentSeal): { store: EventStore; close: () => Promise<void> } {
    const pool = createPool({ url, role: 'recado_worker', max: 8, name: 'faults' })
    const store = createPostgresEventStore({ pool, listenUrl: url, ...(attachments === undefined ? {} : { attachments }) })
    return { store, close: () => store.close().then(() => pool.end()) }
  }

  it('keeps every acknowledged append once when its process is killed in mid batch, again and again', async () => {
    const task = { url: database.url, tenantId: randomUUID(), streams: 2_000, callers: 64 }
    const acknowledged: string[] = []
    let kills = 0
    // However long that takes here: what is proved is proved by the number of kills and appends, not by the time.
    const enough = (): boolean => kills > 25 && acknowledged.length > 3_000
    const lives = Array.from({ length: 3 }, async (_, nth) => {
      while (!enough()) {
        const child = spawn(process.execPath, [writer, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
        const said = heard(child)
        // In the middle of its writing, whenever that begins; one of the three is killed seldom, so that the others always have a rival.
        await Promise.race([once(child.stdout, 'data'), said])
        await sleep(nth === 0 ? 5_000 : Math.random() * 900)
        child.kill('SIGKILL')
        kills++
        acknowledged.push(...(await said))
      }
    })
    await Promise.all(lives)
    const { store, close } = openStore()
    const stored = new Set<string>()
    const { events } = await store.readAll({ after: start, limit: 10_000_000 })
    for (const event of events) stored.add(event.id)
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
    expect(await auditLog(database.url)).toMatchObject({ ...sound, events: stored.size })
    await close()
  })

  it('stores an append with an exact version once, and answers it, when the answers of the server are lost', async () => {
    const { relay, url } = await relayedPostgres(database.url)
    // Signing in is left in peace: what matters is an answer to an append.
    relay.cutAnswers(({ nth }) => nth >= 7 && Math.random() < 0.05)
    const lost = (): number => relay.stats().cut
    // Keys come another way: what is lost is the answers to appends.
    const keys = createPool({ url: database.url, role: 'recado_worker', max: 2, name: 'keys' })
    const { store, close } = openStore(url, await newAttachmentSeal(keys))
    const appendAll = async (expected: 'any' | 'exact'): Promise<string[]> => {
      const stream = someStream()
      const outcomes: string[] = []
      for (let version = 0; version < 200; version += 2) {
        const append = { stream, expected: expected === 'any' ? expected : version, events: someEvents(2, { attachment: Buffer.from('body') }) }
        outcomes.push(
          await store.append(append).then(
            ({ outcome }) => outcome,
            (error: unknown) => (error instanceof StoreUnavailable ? error.reason : 'error'),
          ),
        )
      }
      const stored = (await persistently(() => collect(store.readStream(stream, { attachments: true })))).filter(
        (event) => event.attachment?.length === 4,
      )
      const acknowledged = outcomes.filter((outcome) => outcome === 'appended' || outcome === 'duplicate').length
      // What expects nothing can't be told from a second wish: its caller hears that nobody knows, and it is there once or not at all.
      if (expected === 'any') expect(stored.length).toBeGreaterThanOrEqual(2 * acknowledged)
      else expect([acknowledged, stored.length]).toEqual([100, 200])
      return outcomes
    }
    /** Again until more than ten answers were lost: how many there are depends on how many appends share a commit, and with that on the machine. */
    const untilEnoughIsLost = async (expected: 'any' | 'exact'): Promise<Set<string>> => {
      const outcomes = new Set<string>()
      for (const before = lost(); lost() - before <= 10 || outcomes.size < 2;)
        for (const outcome of (await Promise.all(Array.from({ length: 20 }, () => appendAll(expected)))).flat()) outcomes.add(outcome)
      return outcomes
    }
    expect(await untilEnoughIsLost('exact')).toEqual(new Set(['appended', 'duplicate']))
    expect(await untilEnoughIsLost('any')).toEqual(new Set(['appended', 'connection']))
    expect(await auditLog(database.url)).toMatchObject(sound)
    await close()
    await keys.end()
    await relay.close()
  })

  it('refuses soon while PostgreSQL is away, and goes on by itself: appends, subscriptions, nothing acknowledged lost', async () => {
    const { store, close } = openStore()
    const { position: from } = await store.head()
    const acknowledged: string[] = []
    const refusals: { after: number; reason: string; caller: number }[] = []
    const writing = new AbortController()
    let finished = false
    const callers = Array.from({ length: 32 }, async (_, caller) => {
      while (!writing.signal.aborted) {
        const began = performance.now()
        const events = someEvents(1)
        try {
          await store.append({ stream: someStream(), expected: 0, events })
          acknowledged.push(...events.map(({ id }) => id))
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error
          refusals.push({ after: performance.now() - began, reason: error.reason, caller })
          await sleep(100)
        }
      }
    })
    const following = followUntil(store, { after: from }, (seen) => finished && seen.length >= acknowledged.length)
    const goesOn = (than: number) => expect.poll(() => acknowledged.length, { timeout: 120_000 }).toBeGreaterThan(than)
    await goesOn(100)

    const pid = server.pid()
    if (pid === undefined) throw new Error('the server runs')
    process.kill(pid, 'SIGKILL')
    await goesOn(acknowledged.length + 100)

    await server.stop()
    const refusedBefore = refusals.length
    // Who was refused after the stop waits for no answer from before it any more; from then on nobody is acknowledged.
    const refusedSince = (than: number) =>
      expect.poll(() => new Set(refusals.slice(than).map(({ caller }) => caller)).size, { timeout: 120_000 }).toBe(32)
    await refusedSince(refusedBefore)
    const stoppedAt = acknowledged.length
    // Once more by everybody, and for longer than the store looks for the server before it gives up (4 s).
    await Promise.all([refusedSince(refusals.length), sleep(8_000)])
    expect(acknowledged.length).toBe(stoppedAt)
    for (const { after, reason } of refusals) {
      expect(reason).toBe('connection')
      // Soon: 4 s by the store's clock. A caller that hangs would do so for the pool's 10 s per connection and try, or for ever; a busy machine adds a little.
      expect(after).toBeLessThan(20_000)
    }
    server = await startServer()
    await goesOn(stoppedAt)

    writing.abort()
    await Promise.all(callers)
    finished = true
    await store.append({ stream: someStream(), expected: 0, events: someEvents() })
    const { events } = await following
    const seen = events.map(({ position }) => Number(position))
    expect(seen).toEqual(seen.map((_, index) => Number(from) + 1 + index))
    const ids = new Set(events.map(({ id }) => id))
    const { events: all } = await store.readAll({ after: from, limit: 10_000_000 })
    const stored = new Set(all.map(({ id }) => id))
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
    expect([...ids].every((id) => stored.has(id))).toBe(true)
    expect(await auditLog(database.url)).toMatchObject(sound)
    await close()
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

async function persistently<T>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }
}
