import type { Pool } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { binaryArray } from '../../postgres/binary-array.ts'
import { inTransaction } from '../../postgres/transaction.ts'

/** A copy of the log on its way, as `es.log_moves` has it: what is killed goes on from here. */
export type Move = {
  readonly id: string
  readonly source: string
  readonly destination: string
  readonly copied: { readonly through: Position; readonly events: number }
  readonly compared: Compared
  readonly startedAt: Date
  readonly updatedAt: Date
}
export type Compared = {
  readonly source: Position
  readonly destination: Position
  readonly events: number
  readonly streams: number
  readonly bodies: number
  /** A SHA-256 chain over all of them. */
  readonly digest: Buffer
}
export type Pair = { readonly source: Position; readonly destination: Position }

type Row = {
  id: string
  source: string
  destination: string
  copied_through: string
  copied_events: string
  compared_source: string
  compared_destination: string
  compared_events: string
  streams: string
  bodies: string
  digest: Buffer
  started_at: Date
  updated_at: Date
}

const moveOf = (row: Row): Move => ({
  id: row.id,
  source: row.source,
  destination: row.destination,
  copied: { through: positionOf(row.copied_through), events: Number(row.copied_events) },
  compared: {
    source: positionOf(row.compared_source),
    destination: positionOf(row.compared_destination),
    events: Number(row.compared_events),
    streams: Number(row.streams),
    bodies: Number(row.bodies),
    digest: row.digest,
  },
  startedAt: row.started_at,
  updatedAt: row.updated_at,
})

export async function openMove(pool: Pool): Promise<Move | undefined> {
  const { rows } = await pool.query<Row>('select * from es.log_moves where ended_at is null')
  return rows[0] === undefined ? undefined : moveOf(rows[0])
}

/** The move that is under way between these two, or a new one. What a move between two others had come to is given up. */
export const beginMove = async (pool: Pool, source: string, destination: string): Promise<Move> =>
  inTransaction(pool, async (client) => {
    await client.query(
      `update es.log_moves set ended_at = clock_timestamp(), outcome = 'given up' where ended_at is null and (source, destination) is distinct from ($1, $2)`,
      [source, destination],
    )
    const { rowCount } = await client.query('insert into es.log_moves (source, destination) values ($1, $2) on conflict do nothing', [
      source,
      destination,
    ])
    if (rowCount === 1) await client.query('delete from es.moved_positions')
    const { rows } = await client.query<Row>('select * from es.log_moves where ended_at is null')
    const [row] = rows
    if (row === undefined) throw new Error('there is a move now')
    const move = moveOf(row)
    const { rows: map } = await client.query<{ pairs: string }>('select count(*) as pairs from es.moved_positions')
    if (Number(map[0]?.pairs) === move.compared.events) return move
    // Unlogged: the database has crashed since. What was copied stands; it is compared again.
    await client.query('delete from es.moved_positions')
    await client.query(restart, [move.id])
    return { ...move, compared: { ...nothingCompared } }
  })

const restart = `update es.log_moves set compared_source = 0, compared_destination = 0, compared_events = 0, streams = 0, bodies = 0, digest = '\\x' where id = $1`
const nothingCompared: Compared = { source: positionOf(0), destination: positionOf(0), events: 0, streams: 0, bodies: 0, digest: Buffer.alloc(0) }

export async function giveUpMove(pool: Pool): Promise<boolean> {
  const { rowCount } = await pool.query(`update es.log_moves set ended_at = clock_timestamp(), outcome = 'given up' where ended_at is null`)
  return rowCount === 1
}

export async function keepCopied(pool: Pool, id: string, { through, events }: Move['copied']): Promise<void> {
  await pool.query('update es.log_moves set copied_through = $2, copied_events = $3, updated_at = clock_timestamp() where id = $1', [
    id,
    through,
    events,
  ])
}

/** Another process compares the same move: one of the two has to go. */
class MoveTaken extends Error {
  override readonly name = 'MoveTaken'
}

/** What a page came to, and where its events stand in both logs: together, or not at all. */
export async function keepCompared(pool: Pool, id: string, before: Compared, after: Compared, pairs: readonly Pair[]): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update es.log_moves set compared_source = $3, compared_destination = $4, compared_events = $5, streams = $6, bodies = $7, digest = $8,
         updated_at = clock_timestamp()
       where id = $1 and compared_events = $2 and ended_at is null`,
      [id, before.events, after.source, after.destination, after.events, after.streams, after.bodies, after.digest],
    )
    if (rowCount !== 1) throw new MoveTaken('Another `recado store copy` is at work on the same move, or it was called off.')
    await client.query('insert into es.moved_positions (source, destination) select * from unnest($1::int8[], $2::int8[])', [
      binaryArray(
        'int8',
        pairs.map(({ source }) => BigInt(source)),
      ),
      binaryArray(
        'int8',
        pairs.map(({ destination }) => BigInt(destination)),
      ),
    ])
  })
}
