import type { PoolClient } from 'pg'

/**
 * Everything in PostgreSQL that says a place in the log, and what becomes of it when the log moves. `es.moved_positions` has every event of the log:
 *   exact      the position of an event: that of the same event in the other log
 *   through    "everything up to here": that of the last event at or before it
 * A new table with positions has to be named here; `positions.int.spec.ts` looks for columns that are not.
 */
const exact: readonly (readonly [table: string, column: string])[] = [
  ['es.parked_events', 'position'],
  ['es.discarded_events', 'position'],
  ['work.outbox', 'queued_position'],
  ['work.outbox', 'position'],
  ['work.postponed_deliveries', 'position'],
]
const through: readonly (readonly [table: string, column: string])[] = [
  ['work.replays', 'through'],
  ['work.replays', 'upto'],
  ['es.generations', 'position'],
  ['es.attachment_purges', 'through'],
]

/** Columns that keep a position and stay as they are. */
export const untouched: Readonly<Record<string, string>> = {
  'es.events.position': 'the log itself',
  'es.attachments.position': 'the log itself',
  'es.attachments.through': 'the log itself',
  'es.places.position': 'the index of the other engine, in its own positions',
  'es.rebuilds.position': 'of rebuilds that are over: none may be open at the switch',
  'es.rebuilds.target_position': 'of rebuilds that are over',
  'es.moments.position': 'emptied: lists of the past are built anew when they are asked for',
  'es.source_places.position': 'emptied: topics hold the positions of the log that was left, and are published anew under another prefix',
  'es.topic_watermarks.position': 'emptied, like es.source_places',
  'es.subscriptions.position': 'see below: all but those that follow one engine',
  'es.log_moves.copied_through': 'of the move',
  'es.log_moves.compared_source': 'of the move',
  'es.log_moves.compared_destination': 'of the move',
  'es.moved_positions.source': 'the map',
  'es.moved_positions.destination': 'the map',
}

export const named = new Set([...exact, ...through].map(([table, column]) => `${table}.${column}`))

/** The lease of whoever copies. */
export const copyLease = 'store-copy'

/** Subscriptions that belong to one engine: the place index follows EventStoreDB, and goes on from where it is when the log comes back. */
const leftAlone = ['places', copyLease]

/** Something in the database names a place in the log at which there is no event. Nothing was changed. */
class PositionUnknown extends Error {
  override readonly name = 'PositionUnknown'
}

const last = (value: string): string =>
  `coalesce((select m.destination from es.moved_positions m where m.source <= ${value} order by m.source desc limit 1), 0)`

export type Translated = Readonly<Record<string, number>>

/**
 * In one transaction with the change of `es.log_home`. Nobody else may be at work: every process has left.
 * The rows of read models keep their positions' meaning too, so nothing has to be built anew; tables of projections of one's own are (their positions mean
 * nothing here), at their next run.
 */
export async function translatePositions(client: PoolClient): Promise<Translated> {
  const changed: Record<string, number> = {}
  const run = async (what: string, text: string, values: readonly unknown[] = []): Promise<void> => {
    const { rowCount } = await client.query(text, [...values])
    changed[what] = (changed[what] ?? 0) + (rowCount ?? 0)
  }
  await client.query('analyze es.moved_positions')
  const replace = async (table: string, column: string): Promise<void> => {
    // In two steps: positions of both logs overlap, and a primary key is checked row by row. Negative ones are nobody's.
    await run(table, `update ${table} t set ${column} = -m.destination from es.moved_positions m where m.source = t.${column}`)
    const { rows } = await client.query<{ column: string }>(`select ${column} as column from ${table} where ${column} > 0 limit 1`)
    if (rows[0] !== undefined) throw new PositionUnknown(`${table}.${column} has ${rows[0].column}, which is no event of the log.`)
    await client.query(`update ${table} set ${column} = -${column} where ${column} < 0`)
  }
  for (const [table, column] of exact) await replace(table, column)
  for (const [table, column] of through) {
    await run(table, `update ${table} t set ${column} = ${last(`t.${column}`)} where ${column} is not null`)
  }
  await run(
    'es.subscriptions',
    `update es.subscriptions s set position = ${last('s.position')}, fencing_token = fencing_token + 1, owner = null, lease_until = null
     where not name = any($1) and name not like 'custom\\_%'`,
    [leftAlone],
  )
  // Its tables are built from the beginning at the next run, as when its file has changed.
  await run('custom projections', `delete from es.subscriptions where name like 'custom\\_%'`)
  await run('es.moments', 'delete from es.moments')
  for (const table of ['es.source_places', 'es.topic_watermarks']) await run(table, `delete from ${table}`)
  const { rows: columns } = await client.query<{ table: string; column: string }>(readModelColumns)
  for (const { table, column } of columns) await replace(table, column)
  // Answers that are kept for a repeat: their X-Position is one of the log that was left.
  await run(
    'api.idempotency',
    `update api.idempotency i set headers = jsonb_set(i.headers::jsonb, '{X-Position}', to_jsonb(lpad(m.destination::text, 20, '0')))::json
     from es.moved_positions m where i.headers ->> 'X-Position' ~ '^\\d{1,18}$|^\\d{20}$' and m.source = (i.headers ->> 'X-Position')::numeric::bigint`,
  )
  return changed
}

/** Of the read models that stand (live, previous, being built), the columns that hold positions. */
const readModelColumns = `
  select format('%I.%I', c.table_schema, c.table_name) as table, format('%I', c.column_name) as column
  from information_schema.columns c
  where c.table_schema in (select schema_name from es.generations) and c.column_name = 'position' and c.data_type = 'bigint'
  order by 1, 2`
