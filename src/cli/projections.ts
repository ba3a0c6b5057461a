import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import progress from 'cli-progress'
import { randomUUID } from 'node:crypto'
import type { Config } from '../config.ts'
import { createLog } from '../composition/log.ts'
import type { Access } from '../commands/audit/trail.ts'
import type { Actor } from '../domain/kernel/envelope.ts'
import { platformTenant } from '../domain/kernel/stream.ts'
import { createAppliedPositions } from '../projections/engine/applied-positions.ts'
import { createRebuilds, isOver, type Rebuild, type RebuildAnswer, type Rebuilds } from '../projections/engine/rebuilds.ts'
import { runRebuilds } from '../projections/engine/run-rebuilds.ts'
import { projections } from '../projections/index.ts'
import { record } from './reading.ts'
import { CommandRefused } from './refused.ts'
import { openTools, type Tools } from './tools.ts'

const operator: Actor = { kind: 'operator', id: 'operator' }

type Work = (tools: Tools, rebuilds: Rebuilds) => Promise<void>

async function withRebuilds(config: Config, work: Work): Promise<void> {
  const tools = await openTools(config)
  try {
    await work(tools, createRebuilds({ pool: tools.workerPool, projections }))
  } finally {
    await tools.close()
  }
}

/** `recado projections list` */
export const listProjections = async (config: Config): Promise<void> =>
  withRebuilds(config, async ({ workerPool, store }, rebuilds) => {
    for (const one of await createAppliedPositions({ projections, pool: workerPool, store }).progress()) {
      const parked = one.parked === 0 ? '' : `, ${one.parked} events parked`
      say(
        `${one.name.padEnd(16)} version ${one.generation}  ${one.state.padEnd(8)}  ${one.lagEvents ?? 'an unknown number of'} events behind${parked}`,
      )
    }
    for (const one of await rebuilds.list(10)) say(`${one.createdAt.toISOString()}  ${lineOf(one)}`)
  })

/** `recado projections rebuild <names…>`: asks for it; with `follow` stays until it is over, and does it when no running program takes it. */
export const rebuildProjections = async (config: Config, names: readonly string[], options: { tenant?: string; follow?: boolean }): Promise<void> =>
  withRebuilds(config, async (tools, rebuilds) => {
    const wanted = names.includes('all') ? projections.map(({ name }) => name) : names
    const tenantId = options.tenant === undefined ? undefined : await tenantOf(tools, options.tenant)
    await onRecord(tools, 'rebuild', { what: 'projection_rebuilt', filter: { projections: wanted.join(',') } }, tenantId)
    await asked(tools, rebuilds, config, await rebuilds.request({ projections: wanted, tenantId, requestedBy: operator }), options.follow === true)
  })

/** `recado projections rollback <name>` */
export const rollBackProjection = async (config: Config, projection: string, options: { follow?: boolean }): Promise<void> =>
  withRebuilds(config, async (tools, rebuilds) => {
    await onRecord(tools, 'rollback', { what: 'projection_rebuilt', entity: { type: 'projection', id: projection }, filter: { to: 'previous' } })
    await asked(tools, rebuilds, config, await rebuilds.rollBack({ projection, requestedBy: operator }), options.follow === true)
  })

/** `recado projections abort <id>` */
export const abortRebuild = async (config: Config, id: string): Promise<void> =>
  withRebuilds(config, async (tools, rebuilds) => {
    await onRecord(tools, 'abort', { what: 'projection_aborted', entity: { type: 'rebuild', id } })
    const found = /^[0-9a-f-]{36}$/i.test(id) ? await rebuilds.abort(id) : undefined
    if (found === undefined) throw new CommandRefused(`There is no rebuild ${id}: see recado projections list.`)
    say(lineOf(found))
  })

/** A rebuild of everyone's rows concerns the platform. */
const onRecord = async (tools: Tools, command: string, access: Access, tenantId: string = platformTenant): Promise<void> =>
  record(tools, { tenantId, actor: operator, access, request: `recado projections ${command}` })

async function asked(tools: Tools, rebuilds: Rebuilds, config: Config, answer: RebuildAnswer, follow: boolean): Promise<void> {
  if ('refused' in answer) throw new CommandRefused(refusal(answer))
  const { rebuild } = answer
  say(`The rebuild ${rebuild.id} was asked for.${follow ? '' : ' A running Recado does it; see recado projections list.'}`)
  if (follow) await followRebuild(tools, rebuilds, config, rebuild)
}

function refusal(answer: Exclude<RebuildAnswer, { rebuild: Rebuild }>): string {
  switch (answer.refused) {
    case 'unknown_projection':
      return `There is no such read model. There are: ${projections.map(({ name }) => name).join(', ')}; or all.`
    case 'no_previous_generation':
      return 'There is nothing to go back to: it is kept for a day after a switch, and only the version of Recado that wrote it can take it back.'
    case 'rebuild_running':
      return `It is being rebuilt already: ${answer.running}. Wait for it, or end it with recado projections abort ${answer.running}.`
    default:
      return answer satisfies never
  }
}

const takenWithinMs = 3_000

/** Shows a rebuild until it is over. When nobody works on it we do: the lease sees to it that there is one only. */
async function followRebuild(tools: Tools, rebuilds: Rebuilds, config: Config, asked: Rebuild): Promise<void> {
  const stopping = new AbortController()
  let working: Promise<void> | undefined
  const began = performance.now()
  const bar = process.stderr.isTTY
    ? new progress.SingleBar(
        {
          stream: process.stderr,
          clearOnComplete: true,
          format: (options, { progress: done }, { state, rate, left }: { state: string; rate: string; left: string }) =>
            `${state.padEnd(11)} ${progress.Format.BarFormat(done, options)} ${Math.floor(done * 100)} % · ${rate} events/s · ${left} left`,
        },
        progress.Presets.shades_classic,
      )
    : undefined
  bar?.start(1, 0, { state: asked.state, rate: '?', left: '?' })
  let told = ''
  try {
    for (;;) {
      const one = (await rebuilds.get(asked.id)) ?? asked
      if (isOver(one.state)) {
        bar?.stop()
        say(lineOf(one))
        if (one.state === 'live') return
        throw new CommandRefused(one.error === undefined ? `It was ${one.state}.` : `${one.error.code}: ${one.error.detail}`)
      }
      bar?.setTotal(Math.max(1, one.eventsTotal ?? 1))
      bar?.update(one.eventsDone, {
        state: one.state,
        rate: one.eventsPerSecond === undefined ? '?' : String(Math.round(one.eventsPerSecond)),
        left: one.etaSeconds === undefined ? '?' : `${one.etaSeconds} s`,
      })
      if (bar === undefined && told !== one.state) say(lineOf(one))
      told = one.state
      if (working === undefined && one.state === 'created' && performance.now() - began > takenWithinMs) {
        const { store, scan, threads, index, workerPool: pool, copyPool } = tools
        const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
        working = runRebuilds({
          projections,
          store,
          scan,
          threads,
          index,
          pool,
          copyPool,
          owner,
          signal: stopping.signal,
          log: createLog(config),
        })
      }
      await sleep(250)
    }
  } finally {
    bar?.stop()
    stopping.abort()
    await working
  }
}

async function tenantOf({ workerPool }: Tools, slug: string): Promise<string> {
  const { rows } = await workerPool.query<{ tenant_id: string }>('select tenant_id from rm_tenants.tenants where slug = $1 or id::text = $1', [slug])
  if (rows[0] === undefined) throw new CommandRefused(`There is no organisation ${slug}.`)
  return rows[0].tenant_id
}

function lineOf(one: Rebuild): string {
  const whose = one.tenantId === undefined ? '' : ` of ${one.tenantId}`
  const rate = one.eventsPerSecond === undefined ? '' : `, ${Math.round(one.eventsPerSecond)} events/s`
  const error = one.error === undefined ? '' : `: ${one.error.detail}`
  return `${one.id}  ${one.kind} of ${one.projections.join(', ')}${whose}  ${one.state}  ${one.eventsDone} of ${one.eventsTotal ?? '?'} events${rate}${error}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
