import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPostgresEventStore } from '../../adapters/event-store/postgres/event-store.ts'
import { createLogIndex } from '../../adapters/event-store/postgres/log-index.ts'
import { createLogScan } from '../../adapters/event-store/postgres/scan-log.ts'
import { foldThread } from '../../composition/log-engine.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { createPool } from '../../postgres/pool.ts'
import { pause } from '../../postgres/pause.ts'
import { conversations } from '../conversations/projection.ts'
import { messages } from '../messages/projection.ts'
import { prepareReadModels } from './generations.ts'
import { createRebuilds, isOver, type Rebuild } from './rebuilds.ts'
import { runRebuilds } from './run-rebuilds.ts'

const acme = '0197c0de-0000-7000-8000-00000000000a'
const meta = { occurredAt: '2026-01-01T12:00:00.000Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
const models = [conversations, messages]

describe('a rebuild in threads', () => {
  let home: TestDatabase
  let pool: Pool
  let copyPool: Pool
  let store: EventStore

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 6, name: 'worker' })
    copyPool = createPool({ url: home.url, role: 'owner', max: 4, name: 'copy', pipeline: false, statementTimeoutMs: 0 })
    store = createPostgresEventStore({ pool, listenUrl: home.url })
    await prepareReadModels(copyPool, models)
    for (let nth = 0; nth < 20; nth++) {
      const about = { channelId: 'channel', contactId: `contact ${nth}` }
      await append(`c${nth}`, { type: 'ConversationStarted', ...about, by: 'inbound' })
      const told = {
        ...about,
        messageId: `m${nth}`,
        providerId: `wamid.${nth}`,
        messageType: 'text',
        content: { sealed: `${nth}` },
        at: meta.occurredAt,
      }
      await append(`c${nth}`, { type: 'MessageReceived', ...told })
    }
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([pool.end(), copyPool.end()])
    await home.drop()
  })

  let made = 0
  async function append(id: string, { type, ...data }: { type: string; [field: string]: unknown }): Promise<Position> {
    const events = [{ id: derivedId('threads', String(++made)), type, schemaVersion: 1, data, meta }]
    const result = await store.append({ stream: streamRef('conversation', acme, id), expected: 'any', events })
    if (result.outcome !== 'appended') throw new Error(result.outcome)
    return result.position
  }

  const module = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`)

  /** Runs until one rebuild is over. `meanwhile` sees it at each step. */
  async function rebuilt(entry = foldThread, meanwhile?: (one: Rebuild) => void): Promise<Rebuild> {
    const rebuilds = createRebuilds({ pool, projections: models })
    const answer = await rebuilds.request({ projections: models.map(({ name }) => name), requestedBy: { kind: 'operator', id: 'test' } })
    if ('refused' in answer) throw new Error(answer.refused)
    const stop = new AbortController()
    const running = runRebuilds({
      projections: models,
      store,
      scan: createLogScan(copyPool),
      threads: { entry, connection: home.url, leastEvents: 0, parts: 3 },
      index: createLogIndex(copyPool),
      pool,
      copyPool,
      owner: `owner ${Math.random()}`,
      signal: stop.signal,
      log: pino({ level: 'silent' }),
      pollMs: 20,
      onProgress: meanwhile ?? (() => undefined),
    })
    try {
      for (;;) {
        const now = await rebuilds.get(answer.rebuild.id)
        if (now !== undefined && isOver(now.state)) return now
        await pause(20, stop.signal)
      }
    } finally {
      stop.abort()
      await running
    }
  }
  const count = async (table: string): Promise<string | undefined> =>
    (await copyPool.query<{ rows: string }>(`select count(*) as rows from ${table}`)).rows[0]?.rows

  it('puts the shares of the threads together: every row once, and counted', async () => {
    const { state, rowCounts, eventsDone } = await rebuilt()
    expect(state).toBe('live')
    expect(rowCounts).toEqual({ conversations: { [acme]: 20 }, messages: { [acme]: 20 } })
    expect(eventsDone).toBe(40)
    expect(await count('rm_conversations.conversations')).toBe('20')
    expect(await count('rm_messages.messages')).toBe('20')
  })

  it('that is given up ends its threads, whatever they are at', async () => {
    const rebuilds = createRebuilds({ pool, projections: models })
    const endless = module('setInterval(() => undefined, 1_000)')
    const { state } = await rebuilt(endless, ({ id, target }) => {
      if (target !== undefined) void rebuilds.abort(id)
    })
    expect(state).toBe('aborted')
    expect(await rebuilt()).toMatchObject({ state: 'live' })
  })

  it('fails when a thread ends before its work is done', async () => {
    expect(await rebuilt(module('process.exit(0)'))).toMatchObject({ state: 'failed', error: { code: 'internal' } })
    expect(await rebuilt(module('throw new TypeError("no")'))).toMatchObject({ state: 'failed', error: { code: 'internal' } })
  })

  it('stops at an event that a fold does not bear, and shows it', async () => {
    const at = await append('c3', { type: 'MessageReceived', messageId: 'm100', channelId: 'channel', contactId: 'contact 3', messageType: 'text' })
    const { state, error } = await rebuilt()
    expect(state).toBe('failed')
    expect(error).toMatchObject({ code: 'event_refused', position: at, type: 'MessageReceived' })
    expect(await count('rm_conversations.conversations')).toBe('20')
  })
})
