import type { DomainEvent, EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Category } from '../../domain/kernel/stream.ts'

/** PostgreSQL types that the table writers can send as binary arrays. */
export type ColumnType = 'uuid' | 'text' | 'int4' | 'int8' | 'bool' | 'timestamptz' | 'json' | 'bytea'

/** What a row holds: text for uuid, text, json (its text) and int8 (decimal); number for int4; Date for timestamptz; bytes for bytea. */
export type Value = string | number | boolean | Date | Uint8Array | null

/** A row without its tenant, which is the event's and which the engine adds. `id` is unique within the tenant. */
export type AnyRow = { readonly id: string; readonly [column: string]: Value }

/** One table per read model. The engine adds `tenant_id uuid` first in the key, row level security and grants; `lastInboundAt` is the column last_inbound_at. */
export type Table<Row> = {
  readonly columns: { readonly [Column in keyof Row]-?: ColumnType }
  /**
   * Indexes beside the primary key (tenant_id, id): column lists after tenant_id, e.g. `last_activity_at desc, id`.
   * `acrossTenants` leaves tenant_id out, for what a process of ours looks for in all of them.
   */
  readonly indexes: readonly { readonly name: string; readonly on: string; readonly where?: string; readonly acrossTenants?: true }[]
  /** Room kept on a page (percent filled), for rows that are updated soon after they were written without touching an index (100). */
  readonly fillfactor?: number
}

/** The events of these types, for the exhaustive switch of a fold. */
export type EventsOf<Type extends EventType> = Extract<DomainEvent, { type: Type }>

/**
 * A read model: a pure fold and a table. The same fold is run by the live writer, the rebuild, as-of and the tests; none of them knows SQL of this
 * read model beyond its table. Events come in their newest shape; `at` is the envelope they came in (stream, version, position, times, actor).
 * `version`: raise it whenever the fold or the columns change; the next start builds the new generation beside the live one.
 *
 * `key` and `fold` are methods on purpose: a list of read models with different rows is then a list of `Projection` (parameters of methods are bivariant).
 */
export type Projection<Row extends AnyRow = AnyRow, Event extends DomainEvent = DomainEvent> = {
  readonly name: string
  readonly version: number
  readonly handles: readonly Event['type'][]
  readonly table: Table<Row>
  /**
   * Of which category the one stream is that bears the row's id and has all of its events: one row is then the fold of one stream (as of a moment, say).
   * Absent where the id does not name the stream. The events of messages and of changes to them are those of their conversation.
   */
  readonly home?: Category
  /** Of rows that live in a stream of another name: its category, and the column that has its id. */
  readonly within?: { readonly category: Category; readonly column: keyof Row & string }
  /** The row an event belongs to; undefined when the event does not concern this read model after all. Also the unit in which failing events are parked. */
  key(event: Event, at: RecordedEvent): string | undefined
  /** Types that can only be the first of their row: the writer does not look for an existing one. */
  readonly creates?: readonly Event['type'][]
  /**
   * Nothing is likely to happen to the row any more: it need not be kept in memory. (A row that is kept and never asked for outlives the young generation,
   * and is garbage that is dear to collect.) If something happens all the same, it is read.
   */
  settled?(row: Row): boolean
  /**
   * Whoever reads it can wait a moment: what comes within a quarter of a second is written together. With the audit trail, deliveries and usage so: 2.4 k messages/s visible instead of 2.0 k.
   */
  readonly unhurried?: true
  /** Must not change `row`. 'delete' removes it; undefined leaves it as it was. */
  fold(row: Row | undefined, event: Event, at: RecordedEvent): Row | 'delete' | undefined
}
