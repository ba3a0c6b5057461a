import type { DomainEvent, EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Secret } from '../../domain/kernel/secret.ts'
import type { ColumnType, EventsOf } from '../engine/projection.ts'

/** What a column holds. An int8 is a number here (exact up to 2^53), json any JSON value. */
type Held = {
  uuid: string
  text: string
  int4: number
  int8: number
  bool: boolean
  timestamptz: Date
  json: unknown
  bytea: Uint8Array
}
/** What may be written into it: a moment also as the text that events carry. */
type Given = Omit<Held, 'timestamptz'> & { timestamptz: Date | string }

/** `text key`: part of what tells one row from another. */
export type ColumnSpec = ColumnType | `${ColumnType} key`
type TypeOf<S> = S extends `${infer T extends ColumnType} key` ? T : S extends ColumnType ? S : never
type KeysOf<S> = { [Name in keyof S]: S[Name] extends `${string} key` ? Name : never }[keyof S]
type CountsOf<S> = { [Name in keyof S]: S[Name] extends 'int4' | 'int8' ? Name : never }[keyof S]

/**
 * The columns of a table; `tenant_id` stands beside them. With a key, one row per key and organisation, changed as events come. Without one, rows are
 * only ever added, in the order of the log.
 */
export type TableSpec = Readonly<Record<string, ColumnSpec>>
export type TableSpecs = Readonly<Record<string, TableSpec>>

type Key<S> = { readonly [Name in KeysOf<S>]: Given[TypeOf<S[Name]>] }
type Row<S> = { readonly [Name in Exclude<keyof S, KeysOf<S>>]: Held[TypeOf<S[Name]>] | null }
type Columns<S> = { readonly [Name in Exclude<keyof S, KeysOf<S>>]?: Given[TypeOf<S[Name]>] | null | undefined }

/** A table with a key. */
export type KeyedTable<S> = {
  readonly get: (key: Key<S>) => Row<S> | undefined
  /** Makes the row or changes these columns of it. */
  readonly set: (key: Key<S>, columns: Columns<S>) => void
  /** Counts: adds to these columns; a row that is not there, and a column that is null, count as 0. */
  readonly add: (key: Key<S>, amounts: { readonly [Name in CountsOf<S>]?: number }) => void
  readonly delete: (key: Key<S>) => void
  /** What it held, and deletes it. */
  readonly take: (key: Key<S>) => Row<S> | undefined
}
/** A table without one. */
export type GrowingTable<S> = { readonly insert: (row: Columns<S>) => void }

type TablesOf<T extends TableSpecs> = { readonly [Name in keyof T]: [KeysOf<T[Name]>] extends [never] ? GrowingTable<T[Name]> : KeyedTable<T[Name]> }

/** The envelope of an event: whose it is, where it stands in the log, when it was recorded and who wanted it. */
export type EventEnvelope = RecordedEvent

/**
 * A projection of one's own. A handler is told an event, its envelope and the tables; it must do nothing but read and write them: an event may be
 * handed to it twice until its rows are at hand, and what the first try wrote is then forgotten.
 */
export type CustomProjection<T extends TableSpecs> = {
  /** The tables stand in the schema `custom_<name>`; the file's name when there is none here. */
  readonly name?: string
  readonly tables: T
  readonly on: { readonly [Type in EventType]?: (event: EventsOf<Type>, at: EventEnvelope, tables: TablesOf<T>) => void }
}

/** A projection whose tables are no longer known to the compiler: what runs it looks at them itself. */
export type AnyProjection = {
  readonly name?: string
  readonly tables: TableSpecs
  readonly on: Readonly<Record<string, (event: DomainEvent, at: EventEnvelope, tables: unknown) => void>>
}

/** Says what a file is: `export default project({ … })`. */
export const project = <const T extends TableSpecs>(projection: CustomProjection<T>): AnyProjection => projection as unknown as AnyProjection

/**
 * What a sealed field says where the run reveals it (`--reveal`): text, or the object that `content` and `raw` hold. Undefined where it stays sealed, where
 * there is none, and where its person was erased.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- who reads a field knows what it holds
export function opened<T = string>(field: Secret | undefined): T | undefined {
  const shown: unknown = field
  const closed = shown === undefined || (typeof shown === 'object' && shown !== null && ('sealed' in shown || 'erased' in shown))
  return closed ? undefined : (shown as T)
}

/** The beginning of the hour, or day, of a moment (UTC). */
export const hourOf = (moment: Date | string): Date => floored(moment, 3_600_000)
export const dayOf = (moment: Date | string): Date => floored(moment, 86_400_000)
const floored = (moment: Date | string, ms: number): Date => new Date(Math.floor(new Date(moment).getTime() / ms) * ms)

/** Whole seconds between two moments. */
export const secondsBetween = (from: Date | string, to: Date | string): number =>
  Math.round((new Date(to).getTime() - new Date(from).getTime()) / 1_000)
