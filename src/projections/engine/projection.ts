import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'

/** PostgreSQL types that the table writers can send as binary arrays. */
export type ColumnType = 'uuid' | 'text' | 'int4' | 'int8' | 'bool' | 'timestamptz' | 'json' | 'bytea'

/** Every table has `tenant_id uuid` first in its key; the engine adds it, the row level security policy and the grants. */
export type Table<Row> = {
  readonly columns: { readonly [Column in keyof Row]-?: ColumnType }
  /** Indexes beside the primary key (tenant_id, id): column lists after tenant_id, e.g. `last_activity_at desc, id`. */
  readonly indexes: readonly { readonly name: string; readonly on: string; readonly where?: string; readonly unique?: boolean }[]
}

/**
 * A read model: a pure fold and a table. The same fold is run by the live writer, the rebuild, as-of and the tests.
 * Row values: string (uuid, text, json text, int8 as decimal text), number (int4), boolean, Date (timestamptz), Uint8Array (bytea), null.
 * `version`: raise it whenever the fold or the columns change; the next start builds the new generation.
 */
export type Projection<Row extends { id: string }> = {
  readonly name: string
  readonly version: number
  readonly handles: readonly EventType[]
  readonly table: Table<Row>
  /** The id of the row an event belongs to, unique within the tenant; undefined when the event does not concern this read model after all. */
  readonly key: (event: RecordedEvent) => string | undefined
  /** Types that can only be the first of their row: the writer does not look for an existing one. */
  readonly creates?: readonly EventType[]
  /** Must not change `row`. 'delete' removes it; undefined leaves it as it was. */
  readonly fold: (row: Row | undefined, event: RecordedEvent) => Row | 'delete' | undefined
}
