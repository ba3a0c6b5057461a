import type { Pool } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../../src/adapters/event-store/postgres/event-store.ts'
import { createLogIndex } from '../../../src/adapters/event-store/postgres/log-index.ts'
import { createLogScan } from '../../../src/adapters/event-store/postgres/scan-log.ts'
import { foldThread } from '../../../src/composition/log-engine.ts'
import { positionOf, start, type Position } from '../../../src/domain/kernel/position.ts'
import { copyOut } from '../../../src/postgres/copy-out.ts'
import { createPool } from '../../../src/postgres/pool.ts'
import { foldPage, keyPage } from '../../../src/projections/engine/fold-page.ts'
import { prepareReadModels } from '../../../src/projections/engine/generations.ts'
import { runProjection } from '../../../src/projections/engine/live.ts'
import { schemaOf } from '../../../src/projections/engine/naming.ts'
import { createRebuilds, isOver, type Rebuild } from '../../../src/projections/engine/rebuilds.ts'
import { rowTable } from '../../../src/projections/engine/rows.ts'
import { runRebuilds } from '../../../src/projections/engine/run-rebuilds.ts'
import { projections } from '../../../src/projections/index.ts'

/**
 * One way through the log in a process of its own, so that its memory can be told: `node contestant.ts <way> <url> <read models> [events]` prints
 * `{ seconds, events, megabytes, cpuSeconds }`. The read models' tables must not be there yet.
 */
const [way = '', url = '', names = '', most = '0'] = process.argv.slice(2)
const budget = process.env['BENCH_BUDGET_MB']
const models = projections.filter(({ name }) => names.split(',').includes(name))
const pool = createPool({ url, role: 'recado_worker', max: 6, name: 'bench' })
const owner = createPool({ url, role: 'owner', max: 2 + models.length, name: 'bench owner', statementTimeoutMs: 0 })
const copying = createPool({ url, role: 'owner', max: 2 + models.length, name: 'bench copy', statementTimeoutMs: 0, pipeline: false })

async function headOf(): Promise<number> {
  const { rows } = await owner.query<{ head: string }>('select max(position) as head from es.events')
  const head = Number(rows[0]?.head ?? 0)
  return Number(most) > 0 ? Math.min(head, Number(most)) : head
}

/** JSON as it stands in a column of COPY. */
const parsed = (json: string): unknown => JSON.parse(json.includes('\\') ? json.replaceAll('\\\\', '\\') : json)

/** Events as `RecordedEvent` has them, from lines of COPY: what reading the log into objects costs anybody. */
const whole = (line: string): object => {
  const [position, recordedAt = '', tenantId, streamId = '', version, id, type, schemaVersion, data = '', meta = ''] = line.split('\t')
  const dash = streamId.indexOf('-')
  return {
    position: Number(position),
    recordedAt: new Date(recordedAt),
    stream: { tenantId, category: streamId.slice(0, dash), id: streamId.slice(dash + 1) },
    version: Number(version),
    id,
    type,
    schemaVersion: Number(schemaVersion),
    data: parsed(data),
    meta: parsed(meta),
  }
}

/** (a) COPY TO STDOUT + JSON.parse: every event of the log with its data and its metadata. */
async function readWhole(head: number): Promise<void> {
  let seen = 0
  await linesOf(
    `copy (select position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata from es.events
       where position <= ${head} order by position) to stdout`,
    (line) => {
      if (whole(line) !== undefined) seen++
    },
  )
  if (seen !== head) throw new Error(`${seen} of ${head} events were read`)
}

/** As little as a fold can do with: the events that it handles, a few columns, JSON.parse of the data alone. */
async function read(head: number): Promise<void> {
  const handled = [...new Set(models.flatMap(({ handles }) => handles))].map((type) => `'${type}'`).join(', ')
  await linesOf(
    `copy (select position, recorded_at, tenant_id, stream_id, version, type, data from es.events
       where position <= ${head} and type in (${handled}) order by position) to stdout`,
    (line) => {
      parsed(line.slice(line.lastIndexOf('\t') + 1))
    },
  )
}

async function linesOf(copy: string, take: (line: string) => void): Promise<void> {
  const client = await copying.connect()
  const stream = client.query(copyTo(copy))
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  }
  client.release()
}

/** The data in the binary format, which is how the scan of the log reads it: what the form alone gives. */
async function readBinary(head: number): Promise<void> {
  for await (const piece of copyOut(copying, `select data from es.events where position <= ${head} order by position`)) {
    for (const at of piece.starts) JSON.parse(piece.bytes.toString('utf8', at + 4, at + 4 + piece.bytes.readInt32BE(at)))
  }
}

async function scan(head: number): Promise<void> {
  const types = models.flatMap(({ handles }) => handles)
  for await (const { events } of createLogScan(copying)({ after: start, through: positionOf(head), types })) void events.length
}

/** (b) As most read models are written: look the row up, apply the event, write the row; in transactions of 5,000 events. */
async function upserts(head: number): Promise<void> {
  await prepareReadModels(owner, models)
  const one = createPool({ url, role: 'recado_worker', max: 1, name: 'bench upserts' })
  const targets = models.map((model) => ({ model, handled: new Set<string>(model.handles), table: rowTable(model, schemaOf(model)) }))
  let count = 0
  await one.query('begin')
  for await (const { events } of createLogScan(copying)({
    after: start,
    through: positionOf(head),
    types: models.flatMap(({ handles }) => handles),
  })) {
    for (const event of events) {
      for (const { model, handled, table } of targets) {
        if (!handled.has(event.type)) continue
        const { keyed } = keyPage(model, [event])
        const before = await table.load(
          one,
          keyed.map(({ at, id }) => ({ tenantId: at.stream.tenantId, id })),
        )
        const { changes } = foldPage(
          model,
          keyed,
          (key) => before.get(key),
          () => false,
        )
        for (const { values = [], ...statement } of table.write(changes.values())) await one.query({ ...statement, values: [...values] })
      }
      if (++count % 5_000 === 0) await one.query('commit; begin')
    }
  }
  await one.query('commit')
  await one.end()
}

/** The live writer catching up from nothing, each read model under its lease, from PostgreSQL. */
async function live(head: number): Promise<void> {
  await prepareReadModels(owner, models)
  const store = createPostgresEventStore({ pool, listenUrl: url })
  const stop = new AbortController()
  const there = new Map(models.map(({ name }) => [name, Promise.withResolvers<void>()]))
  const running = models.map((projection) =>
    runProjection({
      projection,
      store,
      pool,
      ownerPool: owner,
      owner: 'bench',
      signal: stop.signal,
      log: pino({ level: 'warn' }),
      onApplied: ({ projection: name, position }: { projection: string; position: Position }) => {
        if (Number(position) >= head) there.get(name)?.resolve()
      },
    }),
  )
  await Promise.all([...there.values()].map(({ promise }) => promise))
  stop.abort()
  await Promise.all(running)
  await store.close()
}

/** All of a rebuild as an operator asks for it, with its states, verification and switch, and nobody who writes meanwhile. */
async function rebuild(): Promise<void> {
  await prepareReadModels(owner, models)
  const store = createPostgresEventStore({ pool, listenUrl: url })
  const rebuilds = createRebuilds({ pool, projections: models })
  const answer = await rebuilds.request({ projections: models.map(({ name }) => name), requestedBy: { kind: 'operator', id: 'bench' } })
  if ('refused' in answer) throw new Error(answer.refused)
  const stop = new AbortController()
  const mark = stopwatch()
  let state = ''
  const onProgress = (now: Rebuild): void => {
    if (now.state !== state) mark(`${state} → ${now.state}`)
    state = now.state
    if (isOver(now.state)) stop.abort()
  }
  const scan = createLogScan(copying)
  const index = createLogIndex(copying)
  const log = pino({ level: 'error' }, process.stderr)
  await runRebuilds({
    projections: models,
    store,
    scan,
    index,
    pool,
    copyPool: copying,
    // To see how it goes when rows do not fit: a sixth of the log with a sixth of the memory.
    ...(budget === undefined ? {} : { budgetBytes: Number(budget) * 1024 * 1024 }),
    ...(process.env['BENCH_THREADS'] === '0' ? {} : { threads: { entry: foldThread, connection: url } }),
    owner: 'bench',
    signal: stop.signal,
    log,
    pollMs: 20,
    onProgress,
  })
  const ended = await rebuilds.get(answer.rebuild.id)
  if (ended?.state !== 'live') throw new Error(`the rebuild ended ${ended?.state ?? ''}: ${JSON.stringify(ended?.error)}`)
  await store.close()
}

function stopwatch(): (what: string) => void {
  let before = performance.now()
  return (what) => {
    const now = performance.now()
    if (process.env['BENCH_VERBOSE'] !== undefined) process.stderr.write(`  ${what} ${((now - before) / 1000).toFixed(1)} s\n`)
    before = now
  }
}

const ways: Readonly<Record<string, (head: number) => Promise<void>>> = {
  'read-whole': readWhole,
  read,
  'read-binary': readBinary,
  scan,
  upserts,
  live,
  rebuild,
}
const go = ways[way]
if (go === undefined) throw new Error(`no such way: ${way}`)
const head = await headOf()
const began = performance.now()
const cpuBefore = process.cpuUsage()
await go(head)
const seconds = (performance.now() - began) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
await Promise.all([pool, owner, copying].map((one: Pool) => one.end()))
process.stdout.write(
  `${JSON.stringify({ seconds, events: head, megabytes: process.resourceUsage().maxRSS / 1024, cpuSeconds: (user + system) / 1e6 })}\n`,
)
