import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuditTrail } from '../commands/audit/trail.ts'
import { createMeetContact } from '../commands/contacts/meet-contact.ts'
import { createReplays, type ReplayView } from '../commands/deliveries/replays.ts'
import { createDirectory } from '../commands/directory/directory.ts'
import { createCommands } from '../commands/kernel/execute.ts'
import { createIntakeMemory } from '../commands/processes/intake/memory.ts'
import { redrivableProcesses, redrive } from '../commands/processes/redrive/redrive.ts'
import { runReplayer } from '../commands/processes/replayer/replayer.ts'
import { createIntakeUseCases, createReplay } from '../composition/intake.ts'
import { createLog } from '../composition/log.ts'
import type { Config } from '../config.ts'
import { start, type Position } from '../domain/kernel/position.ts'
import { platformTenant } from '../domain/kernel/stream.ts'
import { replayFilter, type ReplayFilter } from '../domain/replay/events.ts'
import { deliveries } from '../projections/deliveries/projection.ts'
import { countStuckDeliveries, stuckDeliveries } from '../projections/deliveries/queries.ts'
import { createAppliedPositions } from '../projections/engine/applied-positions.ts'
import { runProjection } from '../projections/engine/live.ts'
import { operatorQueries } from '../projections/engine/operator.ts'
import { CommandRefused } from './refused.ts'
import { placeOf } from './reading.ts'
import { openTools, type Tools } from './tools.ts'

const operator = { kind: 'operator', id: 'cli' } as const
const clock = (): Date => new Date()
const say = (line: string): void => console.log(line)

export type DeliveriesWish = {
  readonly tenant: string
  readonly state?: string
  readonly from?: string
  readonly to?: string
  readonly phoneNumberId?: string
  readonly item?: string
  readonly error?: string
  readonly rate: string
  readonly dryRun?: boolean
}

/**
 * `recado replay deliveries`: asks for a replay and stays until it is finished. A running Recado does it, or else this command does.
 * With `--dry-run` one line per delivery and event that would be appended.
 */
export async function replayDeliveries(config: Config, { tenant, rate, dryRun = false, ...conditions }: DeliveriesWish): Promise<void> {
  const filter = filterOf(conditions)
  const perSecond = Number(rate)
  if (!Number.isInteger(perSecond) || perSecond < 1 || perSecond > 500) throw new CommandRefused('--rate is a number from 1 to 500.')
  const tools = await openTools(config)
  const stop = new AbortController()
  const running: Promise<unknown>[] = []
  try {
    const tenantId = await tenantOf(tools, tenant)
    const parts = await open(tools, config, stop.signal)
    try {
      if (dryRun) await rehearse(parts, tools, { tenantId, filter })
      else await replayAll(parts, tools, { tenantId, filter, rate: perSecond, running, signal: stop.signal, config })
    } finally {
      stop.abort()
      await Promise.all(running)
      await parts.close()
    }
  } finally {
    await tools.close()
  }
}

type Parts = Awaited<ReturnType<typeof open>>

async function open({ store, vault: openVault, workerPool }: Tools, config: Config, signal: AbortSignal) {
  const vault = await openVault()
  const onFailed = (error: unknown): void => {
    if (!signal.aborted) createLog(config).error({ err: error }, 'the directory has ended')
  }
  const directory = createDirectory({ store, vault, clock, onFailed })
  await directory.ready()
  const commands = createCommands({ store, vault })
  const memory = createIntakeMemory(workerPool)
  const intake = createIntakeUseCases({ store, vault, commands, memory, directory, clock, meetContact: createMeetContact({ commands, vault }) })
  const replay = createReplay({ store, vault, workerPool, memory, handle: intake.handle, directory, clock })
  return {
    commands,
    replay,
    queries: operatorQueries(workerPool),
    replays: createReplays({ commands, store, pool: workerPool }),
    close: directory.close,
  }
}

const contextOf = (tenantId: string) => {
  const commandId = randomUUID()
  return { tenantId, actor: operator, commandId, correlationId: commandId, causationId: commandId, at: clock() }
}

async function rehearse(
  { replay, queries }: Parts,
  { store }: Tools,
  { tenantId, filter }: { tenantId: string; filter: ReplayFilter },
): Promise<void> {
  const { position: upto } = await store.head()
  let after: Position = start
  let [found, events] = [0, 0]
  for (;;) {
    const portion = await stuckDeliveries(queries, tenantId, filter, { after, upto, limit: 100 })
    for (const { id, position } of portion) {
      after = position
      found++
      const outcome = await replay({ deliveryId: id, dryRun: true }, contextOf(tenantId))
      if (!('items' in outcome)) {
        say(`${id}  cannot be replayed: ${'unreadable' in outcome ? outcome.unreadable : 'it is not in the log'}`)
        continue
      }
      say(`${id}  ${outcome.items} items, ${outcome.failed} would fail${outcome.waiting ? ', waits for its number' : ''}`)
      for (const { stream, version, event } of outcome.events ?? []) say(`  ${event.type}  ${stream.category} ${stream.id}  version ${version}`)
      events += outcome.events?.length ?? 0
    }
    if (portion.length < 100) break
  }
  say(`${found} deliveries match; ${events} events would be appended. Nothing was changed.`)
}

async function replayAll(
  { commands, replay, replays, queries }: Parts,
  { store, workerPool: pool, ownerPool }: Tools,
  wish: { tenantId: string; filter: ReplayFilter; rate: number; running: Promise<unknown>[]; signal: AbortSignal; config: Config },
): Promise<void> {
  const { tenantId, filter, rate, running, signal, config } = wish
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const log = createLog({ ...config, log: { ...config.log, level: 'warn' } })
  const applied = createAppliedPositions({ projections: [deliveries], pool, store })
  // Under their leases: where a running program has them, these two only wait.
  running.push(
    runProjection({ projection: deliveries, store, pool, ownerPool, owner, signal, log, onApplied: applied.report }),
    runReplayer({
      store,
      pool,
      commands,
      replay,
      find: (...wanted) => stuckDeliveries(queries, ...wanted),
      count: (...wanted) => countStuckDeliveries(queries, ...wanted),
      shown: (position) => applied.waitFor(['deliveries'], position, 1_000),
      owner,
      clock,
      log,
      signal,
    }),
  )
  const { replayId } = await replays.request({ filter, rate }, contextOf(tenantId))
  say(`The replay ${replayId} was asked for; it goes on in a running Recado also when this command is stopped.`)
  let said = 0
  for (;;) {
    const view = await replays.get(tenantId, replayId)
    if (view?.state === 'finished') return say(lineOf(view))
    if (view !== undefined && performance.now() - said > 5_000) {
      said = performance.now()
      console.error(`${view.counts.matched} of ${view.total ?? '?'} deliveries`)
    }
    await sleep(200)
  }
}

const lineOf = ({ cancelled, counts: { matched, replayed, unreadable, waiting, items, failed } }: ReplayView): string =>
  `${cancelled ? 'Cancelled' : 'Finished'}: ${matched} deliveries, ${replayed} replayed (${items} items, ${failed} failed again), ${waiting} still wait for their number, ${unreadable} are no longer readable.`

/** `recado replay process`: makes a process's tables again from the log, with its side effects off. */
export async function redriveProcess(config: Config, name: string, { from, dryRun = false }: { from?: string; dryRun?: boolean }): Promise<void> {
  const process = redrivableProcesses.find((one) => one === name)
  if (process === undefined) {
    throw new CommandRefused(
      name === 'media'
        ? 'media keeps no table: its work is jobs, and to make those again would be to fetch the files again.'
        : `There is no such process. Its tables can be made again for: ${redrivableProcesses.join(', ')}.`,
    )
  }
  const tools = await openTools(config)
  try {
    const { workerPool: pool, store, scan } = tools
    if (!dryRun) await putOnRecord(tools, `recado replay process ${process}${from === undefined ? '' : ` --from ${from}`}`)
    const done = await redrive({ pool, store, scan }, { process, from: (await placeOf(tools, from)) ?? start, dryRun })
    if (done === undefined) throw new CommandRefused(`${process} has never run here.`)
    const { events, rows, missing, surplus, different, through } = done
    say(`${events} events up to ${through}: ${rows} rows; ${missing} were missing, ${surplus} were too many, ${different} said something else.`)
    say(dryRun ? 'Nothing was changed.' : 'The table is as the log says.')
  } finally {
    await tools.close()
  }
}

/** It concerns everybody's messages and says nothing of any: an entry of the platform. */
async function putOnRecord({ store }: Tools, request: string): Promise<void> {
  const nothingPersonal = (): never => {
    throw new Error('an entry about a command holds nothing personal')
  }
  const trail = createAuditTrail({ store, vault: { seal: nothingPersonal, ensure: nothingPersonal, has: nothingPersonal } })
  await trail.recordAccess({ what: 'process_redriven', request }, contextOf(platformTenant))
}

async function tenantOf({ workerPool }: Tools, named: string): Promise<string> {
  const { rows } = await workerPool.query<{ tenant_id: string }>('select tenant_id from rm_tenants.tenants where slug = $1 or id = $1', [named])
  if (rows[0] === undefined) throw new CommandRefused(`There is no organisation "${named}".`)
  return rows[0].tenant_id
}

function filterOf(conditions: Omit<DeliveriesWish, 'tenant' | 'rate' | 'dryRun'>): ReplayFilter {
  const moments = Object.fromEntries(
    (['from', 'to'] as const).flatMap((name) => {
      const text = conditions[name]
      if (text === undefined) return []
      const moment = new Date(text)
      if (Number.isNaN(moment.getTime())) throw new CommandRefused(`--${name} is a moment such as 2026-01-31T12:00:00Z.`)
      return [[name, moment.toISOString()]]
    }),
  )
  const parsed = replayFilter.safeParse({ ...conditions, ...moments })
  if (!parsed.success) throw new CommandRefused('--state is failed or parked.')
  return parsed.data
}
