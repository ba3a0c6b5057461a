import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'pg'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import { start } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { conversations } from '../../src/projections/conversations/projection.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import { schemaOf, snake, subscriptionOf, tableOf } from '../../src/projections/engine/naming.ts'
import type { AnyRow, Projection } from '../../src/projections/engine/projection.ts'
import { createRebuilds, isOver, type RebuildState } from '../../src/projections/engine/rebuilds.ts'
import { messages } from '../../src/projections/messages/projection.ts'
import { generateLog, loadLog } from '../perf/rebuild/log.ts'
import { freshDatabase } from '../support/database.ts'
import { foldPages } from '../support/fold.ts'
import { randomFrom } from './scenario.ts'

export type RebuildKills = {
  readonly kills: number
  /** In which state the rebuild was when the process died. */
  readonly during: Readonly<Record<string, number>>
  readonly rebuilds: number
  readonly reads: number
  readonly wrong: readonly string[]
}

const models: readonly Projection[] = [conversations, messages]
const names = models.map(({ name }) => name)
const program = fileURLToPath(new URL('../support/rebuild-process.ts', import.meta.url))
const tenants = ['0197c0de-0000-7000-8000-00000000000a', '0197c0de-0000-7000-8000-00000000000b']
const aims: readonly (RebuildState | 'any')[] = ['copying', 'ready', 'indexing', 'live', 'any', 'verifying', 'catching_up', 'ready']
const size = { events: 12_000, conversations: 300, tenants }

/**
 * A process with live writers and a rebuild under way is killed with -9, again and again: at any moment, or a moment after it was seen to come into a
 * state. Meanwhile events are appended, and both read models are read without a pause. In the end a rebuild must go live by itself, every row must be what
 * the log says, nothing half made may be left over, and no read may ever have failed or found an empty read model.
 */
export async function killRebuilds({
  server,
  kills,
  seed,
  log = () => undefined,
}: {
  server: string
  kills: number
  seed: number
  log?: (line: string) => void
}): Promise<RebuildKills> {
  const database = await freshDatabase(server)
  await loadLog(database.url, size)
  const pool = createPool({ url: database.url, role: 'owner', max: 4, name: 'kills' })
  const apiPool = createPool({ url: database.url, role: 'recado_api', max: 2, name: 'kills reader' })
  const workerPool = createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'kills store' })
  const store = createPostgresEventStore({ pool: workerPool, listenUrl: database.url })
  const rebuilds = createRebuilds({ pool: workerPool, projections: models })
  const random = randomFrom(seed)
  const over = new AbortController()
  const wrong: string[] = []
  const during: Record<string, number> = {}
  let asked = 0
  let reads = 0

  const stateNow = async (): Promise<{ id: string; state: RebuildState } | undefined> => (await rebuilds.list(1))[0]

  async function askFor(): Promise<void> {
    const now = await stateNow()
    if (now !== undefined && !isOver(now.state)) return
    if (now?.state === 'failed' || now?.state === 'aborted')
      wrong.push(`a rebuild ended ${now.state}: ${JSON.stringify((await rebuilds.get(now.id))?.error)}`)
    const answer = await rebuilds.request({ projections: names, requestedBy: { kind: 'operator', id: 'kills' } })
    if ('refused' in answer) wrong.push(`a rebuild was refused: ${answer.refused}`)
    asked++
  }

  /**
   * Until a rebuild is in that state, or twenty seconds have gone. One that was past it when the last process died goes live meanwhile, and one more is
   * asked for: of a hundred kills 54 met a rebuild that was over when this was not done.
   */
  async function seen(aim: RebuildState | 'any'): Promise<void> {
    for (const until = performance.now() + 20_000; performance.now() < until;) {
      const now = await stateNow()
      if (now?.state === aim) return
      if (now === undefined || isOver(now.state)) await askFor()
      else if (aim === 'any') return
    }
  }

  /** Longer than the state lasts on an idle machine would be another state. */
  const pauseIn = (aim: RebuildState | 'any'): number => random() * (aim === 'any' ? 800 : aim === 'copying' ? 150 : 5)

  async function appending(): Promise<void> {
    const more = generateLog({ ...size, events: 1_000_000, seed: 99 })
    for (const { tenantId, stream, id, type, data, meta } of more) {
      if (over.signal.aborted) return
      const [category] = stream.split('-', 1) as [RecordedEvent['stream']['category']]
      await store.append({
        stream: { tenantId, category, id: `more-${stream.slice(category.length + 1)}` },
        expected: 'any',
        // Ids and messages of its own: the same generator made the log that is there already.
        events: [
          { id: other(id), type, schemaVersion: 1, data: JSON.parse(data.replaceAll('"messageId":"', '"messageId":"more-')), meta: JSON.parse(meta) },
        ],
      })
      await sleep(15)
    }
  }

  async function reading(): Promise<void> {
    while (!over.signal.aborted) {
      for (const model of models) {
        const count = await rowsSeen(apiPool, model).catch((error: unknown) => {
          wrong.push(`a read of ${model.name} failed: ${String(error)}`)
          return 1
        })
        if (count === 0 && full) wrong.push(`${model.name} was seen empty`)
        reads++
      }
      await sleep(5)
    }
  }
  let full = false

  let child = await begin(database.url)
  const aside: Promise<void>[] = []
  try {
    await caughtUp(pool, store, 120_000)
    full = true
    aside.push(appending(), reading())
    for (let kill = 0; kill < kills; kill++) {
      await askFor()
      const aim = aims[kill % aims.length] ?? 'any'
      await seen(aim)
      await sleep(pauseIn(aim))
      const at = (await stateNow())?.state ?? 'none'
      child.kill('SIGKILL')
      during[at] = (during[at] ?? 0) + 1
      child = await begin(database.url)
      if ((kill + 1) % 10 === 0) log(`  ${kill + 1} kills ${JSON.stringify(during)}, ${asked} rebuilds, ${reads} reads, ${wrong.length} wrong`)
    }
    await askFor()
    for (const until = performance.now() + 120_000; ; await sleep(50)) {
      const now = await stateNow()
      if (now?.state === 'live') break
      if (now !== undefined && isOver(now.state)) wrong.push(`the last rebuild ended ${now.state}`)
      if (performance.now() > until) wrong.push(`the last rebuild is still ${now?.state ?? 'nowhere'} after two minutes`)
      if (wrong.length > 0) break
    }
    over.abort()
    await Promise.all(aside)
    await caughtUp(pool, store, 120_000)
    wrong.push(...(await differences(pool, store)), ...(await leftOvers(pool)))
  } finally {
    over.abort()
    await Promise.allSettled(aside)
    child.kill('SIGKILL')
    await store.close()
    await Promise.all([pool, apiPool, workerPool].map((one) => one.end()))
    await database.drop()
  }
  return { kills, during, rebuilds: asked, reads, wrong }
}

const other = (id: string): string => `f${id.slice(1)}`

async function begin(url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

/** As the API reads: behind the wall of a tenant. */
async function rowsSeen(pool: Pool, model: Projection): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query(`begin; set local recado.tenant = '${tenants[0] ?? ''}'`)
    const { rows } = await client.query(`select id from ${schemaOf(model)}.${tableOf(model)} order by id limit 20`)
    await client.query('commit')
    return rows.length
  } finally {
    client.release()
  }
}

async function caughtUp(pool: Pool, store: ReturnType<typeof createPostgresEventStore>, withinMs: number): Promise<void> {
  const { rows: head } = await pool.query<{ last: string }>(`select max(position) as last from es.events where type = any ($1)`, [
    [...new Set(models.flatMap(({ handles }) => handles))],
  ])
  for (const until = performance.now() + withinMs; ; await sleep(50)) {
    const { rows } = await pool.query<{ position: string }>('select position from es.subscriptions where name = any ($1)', [
      models.map(subscriptionOf),
    ])
    if (rows.length === models.length && rows.every(({ position }) => Number(position) >= Number(head[0]?.last))) return
    if (performance.now() > until) throw new Error(`the live writers do not catch up with ${(await store.head()).position}`)
  }
}

async function differences(pool: Pool, store: ReturnType<typeof createPostgresEventStore>): Promise<string[]> {
  const events: RecordedEvent[] = []
  for (let after = start; ;) {
    const page = await store.readAll({ after, limit: 5_000 })
    if (page.events.length === 0) break
    events.push(...page.events)
    after = page.through
  }
  const wrong: string[] = []
  for (const model of models) {
    const { rows: expected } = foldPages(model, [events])
    const columns = Object.entries(model.table.columns).map(([name, type]) => `${snake(name)}${type === 'json' ? '::text' : ''} as "${name}"`)
    const { rows } = await pool.query<AnyRow & { tenant_id: string }>(
      `select tenant_id, ${columns.join(', ')} from ${schemaOf(model)}.${tableOf(model)}`,
    )
    if (rows.length !== expected.size) wrong.push(`${model.name} has ${rows.length} rows instead of ${expected.size}`)
    for (const { tenant_id: tenantId, ...rest } of rows) {
      const row = rest as AnyRow
      if (JSON.stringify(row) !== JSON.stringify(inOrder(model, expected.get(rowKey(tenantId, row.id)))))
        wrong.push(`${model.name} ${row.id} is wrong`)
      if (wrong.length > 5) return wrong
    }
  }
  return wrong
}

const inOrder = (model: Projection, row: AnyRow | undefined): object | undefined =>
  row === undefined ? undefined : Object.fromEntries(Object.keys(model.table.columns).map((name) => [name, row[name]]))

/** One live generation each; beside it at most the one before. */
async function leftOvers(pool: Pool): Promise<string[]> {
  for (const until = performance.now() + 20_000; ; await sleep(200)) {
    const { rows } = await pool.query<{ nspname: string }>(`select nspname from pg_namespace where nspname like 'rm\\_%' order by nspname`)
    const allowed = new Set(models.flatMap((model) => [schemaOf(model), `${schemaOf(model)}_prev`]))
    const odd = rows.map(({ nspname }) => nspname).filter((name) => !allowed.has(name))
    const { rows: live } = await pool.query(`select from es.generations where state = 'live'`)
    const wrong = [
      ...odd.map((name) => `the schema ${name} is left over`),
      ...(live.length === models.length ? [] : [`${live.length} generations are live`]),
    ]
    if (wrong.length === 0 || performance.now() > until) return wrong
  }
}
