import { randomUUID } from 'node:crypto'
import { createRevealer } from '../api/events/reveal.ts'
import { createOpener } from '../api/messages/opening.ts'
import { createAuditTrail, type Access } from '../commands/audit/trail.ts'
import type { Config } from '../config.ts'
import { ownCopy, type Actor, type RecordedEvent } from '../domain/kernel/envelope.ts'
import { parsePosition, type Position } from '../domain/kernel/position.ts'
import { platformTenant } from '../domain/kernel/stream.ts'
import { mayReveal } from './credential.ts'
import { CommandRefused } from './refused.ts'
import type { Tools } from './tools.ts'

export type Reveal = (events: readonly RecordedEvent[]) => Promise<readonly RecordedEvent[]>
/** What of the log a command may read, and how. */
export type Reading = { readonly tenantId: string | undefined; readonly reveal: Reveal | undefined; readonly actor: Actor }

/**
 * Works out whose events are read and whether opened, and puts it on record before the first one is read: in the organisation's audit trail, and where all
 * of them are read in everyone's and the platform's.
 */
export async function openReading(
  config: Config,
  tools: Tools,
  { tenant, reveal, access, request }: { tenant: string | undefined; reveal: boolean; access: Access; request: string },
): Promise<Reading> {
  const credential = reveal ? await mayReveal(config, tools, process.env['RECADO_API_KEY']) : undefined
  const named = tenant === undefined ? undefined : await tenantOf(tools, tenant)
  if (credential?.tenantId !== undefined && named !== undefined && named !== credential.tenantId)
    throw new CommandRefused(`RECADO_API_KEY belongs to another organisation than "${tenant}".`)
  const tenantId = named ?? credential?.tenantId
  const actor = credential?.actor ?? { kind: 'operator', id: 'cli' }
  await record(tools, { tenantId, actor, access, request })
  return { tenantId, actor, reveal: reveal ? await revealerOf(tools) : undefined }
}

async function tenantOf({ workerPool }: Tools, named: string): Promise<string> {
  const { rows } = await workerPool.query<{ tenant_id: string }>('select tenant_id from rm_tenants.tenants where slug = $1 or id = $1', [named])
  const [row] = rows
  if (row === undefined) throw new CommandRefused(`There is no organisation "${named}".`)
  return row.tenant_id
}

/** Puts a command on record: in the trail of the organisation that it concerns, or of everyone and the platform. */
export async function record(
  { store, workerPool }: Tools,
  { tenantId, actor, access, request }: { tenantId: string | undefined; actor: Actor; access: Access; request: string },
): Promise<void> {
  const nothingPersonal = (): never => {
    throw new Error('an entry about a command holds nothing personal')
  }
  const trail = createAuditTrail({ store, vault: { seal: nothingPersonal, ensure: nothingPersonal, has: nothingPersonal } })
  const { rows } = tenantId === undefined ? await workerPool.query<{ tenant_id: string }>('select tenant_id from rm_tenants.tenants') : { rows: [] }
  const concerned = tenantId === undefined ? [platformTenant, ...rows.map((row) => row.tenant_id)] : [tenantId]
  const correlationId = randomUUID()
  const at = new Date()
  for (let from = 0; from < concerned.length; from += 500) {
    const entries = concerned.slice(from, from + 500).map((tenantId) => {
      const commandId = randomUUID()
      return trail.recordAccess({ ...access, request }, { tenantId, actor, commandId, correlationId, causationId: commandId, at })
    })
    await Promise.all(entries)
  }
}

async function revealerOf({ vault, store }: Tools): Promise<Reveal> {
  const open = createOpener(await vault())
  return async (events) => {
    // One for each page: it remembers whom every conversation is with.
    const revealed = createRevealer({ log: store, open })
    return Promise.all(events.map(async (event) => revealed(ownCopy(event))))
  }
}

/** `--from` and `--to`: a position, or a moment. Events after the position; from the moment on, and up to it. */
export async function placeOf({ index }: Pick<Tools, 'index'>, text: string | undefined): Promise<Position | undefined> {
  if (text === undefined) return undefined
  const position = parsePosition(text)
  if (position !== undefined) return position
  const moment = new Date(text)
  if (Number.isNaN(moment.getTime())) throw new CommandRefused(`"${text}" is neither a position nor a moment such as 2026-01-31T12:00:00Z.`)
  return index.lastBefore(moment)
}
