import type { Pool } from 'pg'
import { inTransaction } from './transaction.ts'

/** Which store holds the log and whether it takes appends; `epoch` grows with every change (migration 0027). */
export type LogHome = { readonly engine: string; readonly gate: Gate; readonly epoch: number; readonly since: Date }
export type Gate = 'open' | 'frozen' | 'leaving'

type Row = { engine: string; gate: Gate; epoch: string; since: Date }

// A freeze lapses on the database's clock: whoever asked for it may have died.
const columns = `engine, case when gate = 'frozen' and frozen_until < clock_timestamp() then 'open' else gate end as gate, epoch, since`

const homeOf = ({ engine, gate, epoch, since }: Row): LogHome => ({ engine, gate, epoch: Number(epoch), since })

export async function logHome(pool: Pool): Promise<LogHome | undefined> {
  const { rows } = await pool.query<Row>(`select ${columns} from es.log_home`)
  return rows[0] === undefined ? undefined : homeOf(rows[0])
}

/** How long a process counts as there after its last word. Its own appends end after `trustMs` without one, and the slowest append takes less than the rest. */
const hereMs = 60_000
export const trustMs = 40_000

const firstWord = 'insert into es.log_home (id, engine) values (1, $1) on conflict (id) do nothing'

export type LogUser = { readonly id: string; readonly who: string }

/**
 * Puts a process on the list of those who have the log open. The row of the home is held meanwhile: who freezes it right afterwards finds the process on the
 * list, who did so before is seen by it. The first process of an installation says where its log is.
 */
export const enterLog = async (pool: Pool, user: LogUser, engine: string): Promise<LogHome> =>
  inTransaction(pool, async (client) => {
    await client.query(firstWord, [engine])
    const { rows } = await client.query<Row>(`select ${columns} from es.log_home for share`)
    const [row] = rows
    if (row === undefined) throw new Error('es.log_home has a row')
    if (row.engine === engine && row.gate !== 'leaving') await client.query(beat, [user.id, user.who, row.epoch, hereMs])
    return homeOf(row)
  })

const beat = `
  insert into es.log_users as u (id, who, acknowledged, here_until) values ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
  on conflict (id) do update set acknowledged = excluded.acknowledged, here_until = excluded.here_until`

/** Says that the process is there and what it has acknowledged; tells how things stand. */
export async function beatLog(pool: Pool, user: LogUser, acknowledged: number): Promise<LogHome | undefined> {
  await pool.query({ name: 'log_beat', text: beat, values: [user.id, user.who, acknowledged, hereMs] })
  return logHome(pool)
}

export async function leaveLog(pool: Pool, { id }: LogUser): Promise<void> {
  await pool.query('delete from es.log_users where id = $1', [id])
}

/** Processes that may still append although the epoch began: they have not acknowledged it, and are not known to be dead. */
export async function notAcknowledged(pool: Pool, epoch: number): Promise<readonly string[]> {
  const { rows } = await pool.query<{ who: string }>(
    'select who from es.log_users where acknowledged < $1 and here_until > clock_timestamp() order by who',
    [epoch],
  )
  return rows.map(({ who }) => who)
}

/** Processes that have the log open. */
export async function logUsers(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ who: string }>('select who from es.log_users where here_until > clock_timestamp() order by who')
  return rows.map(({ who }) => who)
}

const raise = (set: string, when: string): string => `update es.log_home set ${set}, epoch = epoch + 1 where engine = $1 and ${when} returning epoch`

async function change(pool: Pool, text: string, values: readonly unknown[]): Promise<number | undefined> {
  const { rows } = await pool.query<{ epoch: string }>(text, [...values])
  return rows[0] === undefined ? undefined : Number(rows[0].epoch)
}

/** The epoch of the freeze; undefined when the log is not on this engine any more, or somebody else's freeze is on. */
export async function freezeLog(pool: Pool, engine: string, forMs: number): Promise<number | undefined> {
  await pool.query(firstWord, [engine])
  return change(
    pool,
    raise(
      `gate = 'frozen', frozen_until = clock_timestamp() + $2 * interval '1 millisecond'`,
      `(gate = 'open' or (gate = 'frozen' and frozen_until < clock_timestamp()))`,
    ),
    [engine, forMs],
  )
}

/** False when the freeze has lapsed or was lifted: appends may have been made since. */
export async function keepFrozen(pool: Pool, epoch: number, forMs: number): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update es.log_home set frozen_until = clock_timestamp() + $2 * interval '1 millisecond'
     where epoch = $1 and gate = 'frozen' and frozen_until > clock_timestamp()`,
    [epoch, forMs],
  )
  return rowCount === 1
}

/** From here on there is no way but on, or `reopenLog`: every process ends and none begins. Undefined when the freeze has lapsed. */
export const leaveEngine = (pool: Pool, engine: string, epoch: number): Promise<number | undefined> =>
  change(pool, raise(`gate = 'leaving', frozen_until = null`, `gate = 'frozen' and epoch = $2 and frozen_until > clock_timestamp()`), [engine, epoch])

export const reopenLog = (pool: Pool, engine: string): Promise<number | undefined> =>
  change(pool, raise(`gate = 'open', frozen_until = null`, `gate <> 'open'`), [engine])
