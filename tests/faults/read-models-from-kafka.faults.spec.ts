import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import type { Pool } from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { start, type Position } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import { schemaOf, snake, tableOf } from '../../src/projections/engine/naming.ts'
import type { AnyRow, Projection } from '../../src/projections/engine/projection.ts'
import { projections } from '../../src/projections/index.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import { ownKafka } from '../support/kafka/kafka-server.ts'
import type { WorkerTask } from '../support/kafka/worker-process.ts'
import { append, believable } from '../support/twins.ts'

/** How often something is killed in each test; KAFKA_KILLS=200 for a long night. */
const kills = Number(process.env['KAFKA_KILLS'] ?? 4)
const program = fileURLToPath(new URL('../support/kafka/worker-process.ts', import.meta.url))

const cluster = await ownKafka({ nodes: 3 })

type Worker = { readonly signal: (signal: NodeJS.Signals) => void; readonly ended: Promise<unknown> }

describe.skipIf(cluster === undefined)('read models fed by Kafka, when something dies', () => {
  let db: TestDatabase
  let pool: Pool
  let ownerPool: Pool
  let store: EventStore
  let alive: Set<Worker>
  let writing: AbortController
  let task: WorkerTask

  beforeEach(async () => {
    db = await freshDatabase()
    pool = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'faults' })
    ownerPool = createPool({ url: db.url, role: 'owner', max: 2, name: 'faults owner' })
    store = createPostgresEventStore({ pool, listenUrl: db.url })
    await prepareReadModels(ownerPool, projections)
    task = { url: db.url, brokers: (cluster as KafkaCluster).brokers, prefix: `fed-${randomUUID()}`, partitions: 6 }
    alive = new Set()
    writing = new AbortController()
  })
  afterEach(async () => {
    writing.abort()
    await Promise.all([...alive].map(async (one) => end(one, 'SIGKILL')))
    await store.close()
    await Promise.all([pool.end(), ownerPool.end()])
    await db.drop()
  })
  afterAll(async () => cluster?.close())

  function worker(): Worker {
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit'] })
    const started = { signal: (signal: NodeJS.Signals) => void child.kill(signal), ended: once(child, 'exit') }
    alive.add(started)
    return started
  }
  async function end(one: Worker, signal: NodeJS.Signals): Promise<void> {
    alive.delete(one)
    one.signal(signal)
    await one.ended
  }

  /** Conversations as they go, one after the other, until it is told to stop. */
  async function write(): Promise<void> {
    for (let seed = 1; !writing.signal.aborted; seed++) {
      const [happened = []] = fc.sample(history(60, 40), { seed, numRuns: 1 })
      const renamed = happened.map(([stream, event]) => [{ ...stream, id: `${stream.id} of ${seed}` }, inRound(event, seed)] as const)
      await append(store, believable(renamed))
      await sleep(150)
    }
  }
  const inRound = <E extends object>(event: E, round: number): E =>
    JSON.parse(JSON.stringify(event).replaceAll(/"(messageId|targetId|providerId|throughMessageId)":"([^"]*)"/g, `"$1":"$2 of ${round}"`)) as E

  async function checkpoints(): Promise<readonly Position[]> {
    const { rows } = await ownerPool.query<{ position: string }>(
      `select c.position from es.generations g join es.checkpoints c on c.name = g.subscription where g.state = 'live'`,
    )
    return rows.map(({ position }) => position.padStart(20, '0') as Position)
  }
  const least = async (): Promise<Position> => {
    const all = await checkpoints()
    return all.length < projections.length ? start : (all.toSorted()[0] ?? start)
  }
  const moving = async (): Promise<void> => {
    const { position } = await store.head()
    await expect.poll(async () => (await least()) >= position, { timeout: 120_000 }).toBe(true)
  }

  async function stored(projection: Projection): Promise<Map<string, AnyRow>> {
    const columns = Object.entries(projection.table.columns).map(([name, type]) => `${snake(name)}${type === 'json' ? '::text' : ''} as "${name}"`)
    const { rows } = await ownerPool.query<AnyRow & { tenant_id: string }>(
      `select tenant_id, ${columns.join(', ')} from ${schemaOf(projection)}.${tableOf(projection)}`,
    )
    return new Map(rows.map(({ tenant_id, ...row }) => [rowKey(tenant_id, row.id), row as AnyRow]))
  }

  async function everyRowIsWhatTheLogSays(): Promise<void> {
    await moving()
    const { events } = await store.readAll({ after: start, limit: 1_000_000 })
    let rows = 0
    for (const projection of projections) {
      const expected = foldPages(projection, [events]).rows
      expect({ model: projection.name, rows: await stored(projection) }).toEqual({ model: projection.name, rows: expected })
      rows += expected.size
    }
    expect(rows).toBeGreaterThan(50)
    const { rows: parked } = await ownerPool.query('select * from es.parked_events')
    expect(parked).toEqual([])
  }

  it('are what the log says, whatever moment a worker is killed at while another one works', async () => {
    const writer = write()
    let older = worker()
    await moving()
    for (let kill = 0; kill < kills; kill++) {
      const younger = worker()
      await sleep(500 + Math.random() * 1_500)
      await end(older, kill % 3 === 2 ? 'SIGTERM' : 'SIGKILL')
      older = younger
    }
    writing.abort()
    await writer
    await everyRowIsWhatTheLogSays()
  })

  it('are what the log says after one of three brokers at a time was killed, and all were away', async () => {
    const writer = write()
    worker()
    worker()
    await moving()
    const nodes = cluster?.nodes ?? []
    for (const node of nodes) {
      await node.kill()
      // Two of three are enough, once the leaders have changed.
      await moving()
      await node.start()
      await cluster?.ready()
    }
    await Promise.all(nodes.map(async (node) => node.kill()))
    await sleep(1_000)
    await Promise.all(nodes.map(async (node) => node.start()))
    await cluster?.ready()
    await moving()
    writing.abort()
    await writer
    await everyRowIsWhatTheLogSays()
  })
})
