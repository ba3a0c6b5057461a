import type { Pool, PoolClient } from 'pg'
import { planFleet, type LeasePlace, type Member } from './fleet-plan.ts'
import { rememberedLeases } from './lease-watch.ts'
import { isRunning, machine } from './machine.ts'
import { pause } from './pause.ts'
import { inTransaction } from './transaction.ts'

export type FleetOptions = {
  readonly pool: Pool
  /** As in the leases of this process. */
  readonly owner: string
  readonly roles: readonly string[]
  /** Prefixes of leases that are shared out among themselves, see `planFleet`. */
  readonly groups: readonly (readonly string[])[]
  readonly onError: (error: unknown) => void
  /** Another process came or went, by name. */
  readonly onChange?: (members: readonly FleetMember[]) => void
  /** How often we say that we are there (2 s), and how long that counts (6 s): shorter than a lease, so that who is gone keeps nobody waiting. */
  readonly everyMs?: number
  readonly countsMs?: number
}

export type FleetMember = { readonly owner: string; readonly roles: readonly string[]; readonly joinedAt: Date }

export type Fleet = {
  /** Who was there at the last look, in the order in which they came. */
  readonly members: () => readonly FleetMember[]
  /** From now on nothing is meant for us any more: whoever waits takes what we let go, at once. The first step of an orderly stop. */
  readonly leave: () => Promise<void>
  /** The last one. */
  readonly close: () => Promise<void>
}

/**
 * Several processes share the leases out among themselves: HERE (every 2 s) → LEAVING → gone, or gone without a word after 6 s.
 * The one that came first plans, with all that each one says it would run; the plan stands in `assigned_to` of the leases. It only says who is to ask for a
 * lease and who is to hand it over: leases and their tokens decide, as without it, and with a wrong plan work is done in another place, never twice.
 * Rejected: everybody plans. Two versions with different ideas would move leases to and fro for as long as an upgrade takes.
 */
export async function joinFleet(options: FleetOptions): Promise<Fleet> {
  const { pool, owner, onError, onChange, everyMs = 2_000 } = options
  const ended = new AbortController()
  let members: readonly FleetMember[] = []
  let leaving = false

  async function look(): Promise<void> {
    const now = await inTransaction(pool, async (client) => beat(client, options, leaving))
    const changed = now.length !== members.length || now.some(({ owner }, place) => owner !== members[place]?.owner)
    members = now
    if (changed) onChange?.(now)
  }
  const safely = async (): Promise<void> => look().catch(onError)

  await safely()
  const beating = (async () => {
    while (await pause(everyMs, ended.signal)) await safely()
  })()

  return {
    members: () => members,
    async leave() {
      leaving = true
      await safely()
    },
    async close() {
      ended.abort()
      await beating
      await pool.query('delete from es.members where owner = $1', [owner]).catch(onError)
    },
  }
}

type Row = { readonly owner: string; readonly roles: string[]; readonly runs: string[]; readonly joined_at: Date }

async function beat(client: PoolClient, options: FleetOptions, leaving: boolean): Promise<readonly FleetMember[]> {
  const { pool, owner, roles, groups, countsMs = 6_000 } = options
  // One at a time, so that a plan is not made of what another one is just changing. A few milliseconds; leadership is never decided by it.
  await client.query('select pg_advisory_xact_lock(5013, 26)')
  await client.query({
    name: 'fleet_beat',
    text: `
      insert into es.members as m (owner, roles, runs, seen_until, leaving, machine, pid)
      values ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond', $5, $6, $7)
      on conflict (owner) do update set runs = excluded.runs, seen_until = excluded.seen_until, leaving = excluded.leaving
        where m.runs <> excluded.runs or m.leaving <> excluded.leaving or m.seen_until < excluded.seen_until`,
    values: [owner, roles, leaving ? [] : rememberedLeases(pool, owner).toSorted(), countsMs, leaving, machine, process.pid],
  })
  await buryTheDead(client)
  const { rows } = await client.query<Row>({
    name: 'fleet_members',
    text: 'select owner, roles, runs, joined_at from es.members where not leaving and seen_until > clock_timestamp() order by joined_at, owner',
  })
  if (rows[0]?.owner === owner) await plan(client, rows, groups)
  return rows.map((row) => ({ owner: row.owner, roles: row.roles, joinedAt: row.joined_at }))
}

/**
 * A process that was killed leaves its leases behind until they lapse; but on its own machine everybody can see that it is gone. Should that ever be wrong,
 * it finds out at its next write, as whoever slept through a lease does.
 */
async function buryTheDead(client: PoolClient): Promise<void> {
  if (machine === undefined) return
  const { rows } = await client.query<{ owner: string; pid: number }>({
    name: 'fleet_neighbours',
    text: 'select owner, pid from es.members where machine = $1 and pid <> $2',
    values: [machine, process.pid],
  })
  const dead = rows.filter(({ pid }) => !isRunning(pid)).map(({ owner }) => owner)
  if (dead.length === 0) return
  await client.query('delete from es.members where owner = any($1)', [dead])
  for (const table of ['es.subscriptions', 'work.channel_leases'])
    await client.query(`update ${table} set owner = null, lease_until = null where owner = any($1)`, [dead])
}

async function plan(client: PoolClient, members: readonly (Member & Row)[], groups: FleetOptions['groups']): Promise<void> {
  await client.query(`delete from es.members where seen_until < clock_timestamp() - interval '1 hour'`)
  const { rows } = await client.query<LeasePlace & { assigned_to: string | null }>({
    name: 'fleet_leases',
    text: `
      select w.name, s.assigned_to, coalesce(case when es.is_here(s.assigned_to) then s.assigned_to end,
        case when s.lease_until > clock_timestamp() then s.owner end) as with
      from unnest($1::text[]) as w (name) left join es.subscriptions s on s.name = w.name`,
    values: [[...new Set(members.flatMap(({ runs }) => runs))]],
  })
  const planned = planFleet(
    members,
    rows.map(({ name, with: holder }) => ({ name, with: holder ?? undefined })),
    groups,
  )
  const changed = rows.flatMap(({ name, assigned_to: before }) => {
    const owner = planned.get(name)
    return owner === undefined || owner === before ? [] : [{ name, owner }]
  })
  if (changed.length === 0) return
  await client.query({
    name: 'fleet_assign',
    text: `
      insert into es.subscriptions as s (name, assigned_to) select * from unnest($1::text[], $2::text[])
      on conflict (name) do update set assigned_to = excluded.assigned_to`,
    values: [changed.map(({ name }) => name), changed.map(({ owner }) => owner)],
  })
}
