import type { Pool } from 'pg'
import type { Position } from '../../domain/kernel/position.ts'
import type { Statement } from '../../postgres/transaction.ts'

/** Goes behind the checkpoint's statement in the same transaction. */
export const keepPlace = (name: string, position: Position, place: string): Statement => ({
  name: 'source_place',
  text: `insert into es.source_places (name, position, place) values ($1, $2, $3)
    on conflict (name) do update set position = excluded.position, place = excluded.place`,
  values: [name, position, place],
})

/** Where the source goes on behind this very checkpoint; undefined when that was moved without it. */
export async function placeAt(pool: Pool, name: string, position: Position): Promise<string | undefined> {
  const { rows } = await pool.query<{ place: string }>('select place from es.source_places where name = $1 and position = $2', [name, position])
  return rows[0]?.place
}
