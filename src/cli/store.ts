import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { attachmentsUnder } from '../adapters/keyring/attachment-seal.ts'
import { checkMasterKey } from '../adapters/keyring/master-key.ts'
import { createVault } from '../adapters/keyring/vault.ts'
import { runningServer } from '../adapters/embedded-postgres/running.ts'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { compareOn, compareStreams, createSample, type Sample } from '../commands/moving/compare.ts'
import { copyOn } from '../commands/moving/copy.ts'
import { beginMove, giveUpMove, openMove, type Move } from '../commands/moving/moves.ts'
import { copyLease } from '../commands/moving/positions.ts'
import { switchLog, type MoveParts } from '../commands/moving/switch.ts'
import { openEventStoreDb, openPostgres, type MovableEngine, type MovingEngine, type MovingParts } from '../composition/moving-engines.ts'
import type { Config } from '../config.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import type { Position } from '../domain/kernel/position.ts'
import { masterKey } from '../keys.ts'
import { acquireLease, releaseLease, renewLease } from '../postgres/lease.ts'
import { logHome, logUsers, reopenLog } from '../postgres/log-home.ts'
import { migrate } from '../postgres/migrate.ts'
import { createPool } from '../postgres/pool.ts'
import { createMeter } from './meter.ts'
import { CommandRefused } from './refused.ts'

export type CopyWish = {
  readonly from: MovableEngine
  readonly to: MovableEngine
  readonly switch?: boolean
  readonly sample: string
  readonly url?: string
}

const leaseMs = 20_000
const say = (line: string): void => console.log(line)
const note = (line: string): void => console.error(line)

/** `recado store copy`: copies the log into another engine while Recado runs, compares both, and with `--switch` makes the other one the true log. */
export async function copyStore(config: Config, wish: CopyWish): Promise<void> {
  if (wish.from === wish.to) throw new CommandRefused('--from and --to are the same engine.')
  const size = Number(wish.sample)
  if (!Number.isInteger(size) || size < 0) throw new CommandRefused('--sample is a number of streams.')
  if (wish.switch === true && config.database.url === undefined && runningServer(config.dataDir) !== undefined)
    throw new CommandRefused(
      'The embedded database belongs to the running Recado and ends with it. Stop Recado for the switch, and start it with the new EVENT_STORE.',
    )
  const database = await openDatabase(config)
  const { workerPool } = database
  const stopping = new AbortController()
  const interrupt = (): void => stopping.abort(new CommandRefused('Interrupted. What was copied stays: the same command goes on from here.'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const opened: MovingEngine[] = []
  try {
    await refuseWrongHome(database, wish)
    await underLease(database, stopping, async () => {
      const [source, destination] = [await open(database, wish.from, config), await open(database, wish.to, config)]
      opened.push(source, destination)
      const parts: MoveParts = {
        ...database,
        pool: workerPool,
        source: source.store,
        destination: destination.store,
        imports: destination.imports,
        signal: stopping.signal,
      }
      const sample = createSample(size)
      const move = await copyAndCompare(parts, await beginMove(workerPool, wish.from, wish.to), sample)
      if (wish.switch === true) return finish(parts, move, sample, destination)
      const read = await compareStreams(sample.streams(), { ...parts, move })
      say(`${summary(move)}; ${read} streams read one by one as well. Recado goes on with ${wish.from}.`)
      say(`To switch: recado store copy --from ${wish.from} --to ${wish.to} --switch (see docs/how-to/move-the-log.md).`)
    })
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    for (const engine of opened) await engine.close()
    await database.close()
  }
}

/** `recado store status`: where the log is, and how far a copy is. */
export async function storeStatus(config: Config): Promise<void> {
  const { workerPool: pool, close } = await openDatabase(config)
  try {
    const [home, move, users] = [await logHome(pool), await openMove(pool), await logUsers(pool)]
    say(
      home === undefined
        ? 'No process has opened the log yet.'
        : `The log is on ${home.engine} since ${home.since.toISOString()}; it is ${home.gate}.`,
    )
    say(`Open in: ${users.join(', ') || 'no process'}.`)
    if (move === undefined) return
    const { source, destination, copied, compared, updatedAt } = move
    say(
      `Copy from ${source} to ${destination}: ${copied.events} events copied, ${compared.events} compared, last moved on ${updatedAt.toISOString()}.`,
    )
  } finally {
    await close()
  }
}

/** `recado store abort`: gives a copy up, and opens the log again where it was. What was copied stays in the destination, and is passed over by the next copy. */
export async function abortCopy(config: Config): Promise<void> {
  const { workerPool: pool, close } = await openDatabase(config)
  try {
    const home = await logHome(pool)
    const reopened = home !== undefined && (await reopenLog(pool, home.engine)) !== undefined
    const gone = await giveUpMove(pool)
    say(gone ? 'The copy was given up.' : 'There was no copy to give up.')
    if (reopened) say(`The log is open again, on ${home.engine}.`)
  } finally {
    await close()
  }
}

async function copyAndCompare(parts: MoveParts, begun: Move, sample: Sample): Promise<Move> {
  let move = begun
  const head = await parts.source.head()
  let meter = createMeter('copying', move.copied.events, move.copied.events + (await distance(parts.source, move.copied.through, head.position)))
  move = await copyOn({ ...parts, move, destination: parts.imports, onProgress: moving(meter, move.copied.events) })
  meter.end()
  parts.signal?.throwIfAborted()
  meter = createMeter('comparing', move.compared.events, move.copied.events)
  move = await compareOn({ ...parts, move, sample, onProgress: moving(meter, move.compared.events) })
  meter.end()
  parts.signal?.throwIfAborted()
  return move
}

const moving = (meter: ReturnType<typeof createMeter>, from: number): ((done: { events: number }) => void) => {
  let before = from
  return ({ events }) => {
    meter.move(events, events - before)
    before = events
  }
}

const distance = async (store: EventStore, from: Position, to: Position): Promise<number> => (await store.distance(from, to)).events ?? 0

async function finish(parts: MoveParts, move: Move, sample: Sample, destination: MovingEngine): Promise<void> {
  await destination.settled()
  let told = ''
  const done = await switchLog({
    ...parts,
    move,
    sample,
    settled: destination.settled,
    onStage(stage, waitingFor = []) {
      const line = `${stage}${waitingFor.length === 0 ? '' : `: waiting for ${waitingFor.join(', ')}`}`
      if (line !== told) note((told = line))
    },
  })
  say(`${summary(done.move)}; ${done.streamsRead} streams read one by one as well.`)
  for (const [what, rows] of Object.entries(done.translated)) if (rows > 0) say(`  positions in ${what}: ${rows} rows`)
  say(
    `The log is on ${move.destination}. Appends were refused for ${(done.frozenMs / 1_000).toFixed(1)} s. Start Recado with EVENT_STORE=${move.destination}.`,
  )
  say(`Old X-Position values, feed cursors and page cursors mean nothing any more. ${move.source} still has its copy; nothing reads it.`)
}

const summary = ({ compared }: Move): string =>
  `Both logs hold the same ${compared.events} events in ${compared.streams} streams, ${compared.bodies} raw bodies among them (chain ${compared.digest.toString('hex').slice(0, 16) || 'empty'})`

type Database = MovingParts & { readonly close: () => Promise<void> }

async function openDatabase(config: Config): Promise<Database> {
  const quiet = (): undefined => undefined
  const given = config.database.url ?? runningServer(config.dataDir)
  const embedded =
    given === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, log: { info: quiet, warn: quiet, error: quiet } }) : undefined
  const url = given ?? embedded?.url ?? ''
  if (embedded !== undefined) await migrate({ url })
  const workerPool = createPool({ url, role: 'recado_worker', max: 6, name: 'store copy', statementTimeoutMs: 0 })
  const ownerPool = createPool({ url, role: 'owner', max: 2, name: 'store copy owner', statementTimeoutMs: 0 })
  const vault = async () => {
    const key = masterKey(config)
    await checkMasterKey({ pool: workerPool, masterKey: key })
    return createVault({ pool: workerPool, masterKey: key })
  }
  let opened: ReturnType<typeof vault> | undefined
  return {
    url,
    workerPool,
    ownerPool,
    attachments: attachmentsUnder(() => (opened ??= vault())),
    say: note,
    async close() {
      await Promise.allSettled([workerPool.end(), ownerPool.end()])
      await embedded?.stop()
    },
  }
}

async function open(database: Database, engine: MovableEngine, { eventStoreDb }: Config): Promise<MovingEngine> {
  if (engine === 'postgres') return openPostgres(database)
  if (eventStoreDb === undefined) throw new CommandRefused('EVENTSTOREDB_URL is not set.')
  return openEventStoreDb(database, eventStoreDb.url)
}

async function refuseWrongHome({ workerPool }: Database, { from, to }: CopyWish): Promise<void> {
  const home = await logHome(workerPool)
  if (home !== undefined && home.engine !== from)
    throw new CommandRefused(
      home.engine === to ? `The log is on ${to} already, since ${home.since.toISOString()}.` : `The log is on ${home.engine}, not on ${from}.`,
    )
}

/** One copy at a time: two would write side by side, and the order would be lost. */
async function underLease({ workerPool }: Database, stopping: AbortController, work: () => Promise<void>): Promise<void> {
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const lease = await acquireLease(workerPool, { name: copyLease, owner, ttlMs: leaseMs })
  if (lease === undefined) throw new CommandRefused('Another `recado store copy` is at work. If it was killed, its lease lapses within 20 seconds.')
  const renewing = setInterval(() => {
    renewLease(workerPool, lease, leaseMs).then(
      (held) => (held ? undefined : stopping.abort(new CommandRefused('Another `recado store copy` has taken over.'))),
      () => undefined,
    )
  }, leaseMs / 4)
  try {
    await work()
  } finally {
    clearInterval(renewing)
    await releaseLease(workerPool, lease).catch(() => undefined)
  }
}
