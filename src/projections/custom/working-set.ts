import { fromStored } from '../../domain/kernel/codec.ts'
import type { DomainEvent } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { streamName } from '../../domain/kernel/stream.ts'
import type { ColumnType } from '../engine/projection.ts'
import { keyColumns, type Column, type Layout } from './layout.ts'
import type { AnyProjection } from './project.ts'

/** Values in the order of the columns, as the table writers take them: json as its text. */
export type Values = readonly unknown[]

/** A keyed row: its values, or undefined where there is none (any more). `dirty`: the database does not have it so. */
export type Entry = { readonly tenantId: string; readonly key: Values; values: Values | undefined; dirty: boolean }

export type TableSet = {
  readonly layout: Layout
  /** Keyed rows at hand, those that are known not to exist among them. Oldest first. */
  readonly entries: Map<string, Entry>
  /** Rows to be added: tenant, position, number within the event, values. */
  grown: { readonly tenantId: string; readonly values: Values }[]
}

/** An event that a handler could not take. Nothing of it, and nothing after it, is written. */
export class HandlerFailed extends Error {
  override readonly name = 'HandlerFailed'
}

/** Thrown through a handler that asks for a row which is not at hand; it is called again when the row is there. */
class Missing extends Error {}

export type WorkingSet = {
  readonly tables: readonly TableSet[]
  /**
   * Hands events to their handlers. Rows that are not at hand are asked of `load`, a page's worth at a time: on the first that is missing the rest of the
   * page is played through for the rows it would ask for, and what it wrote meanwhile is undone.
   */
  readonly take: (events: readonly RecordedEvent[], load: Load | undefined) => Promise<void>
}
/** Puts rows into `entries`, also those that do not exist. Undefined while whatever is not at hand does not exist. */
export type Load = (wanted: ReadonlyMap<TableSet, ReadonlyMap<string, { readonly tenantId: string; readonly key: Values }>>) => Promise<void>

export function createWorkingSet(projection: AnyProjection, layouts: readonly Layout[]): WorkingSet {
  const tables: TableSet[] = layouts.map((layout) => ({ layout, entries: new Map(), grown: [] }))
  const undo: (() => void)[] = []
  const wanted = new Map<TableSet, Map<string, { tenantId: string; key: Values }>>()
  let tenantId = ''
  let position = ''
  let nth = 0
  let complete = true
  let scouting = false

  function entryOf(set: TableSet, key: Values): Entry {
    const name = nameOf(tenantId, key)
    const known = set.entries.get(name)
    if (known !== undefined) return known
    const entry: Entry = { tenantId, key, values: undefined, dirty: false }
    if (complete) {
      set.entries.set(name, entry)
      return entry
    }
    const asked = wanted.get(set) ?? new Map<string, { tenantId: string; key: Values }>()
    asked.set(name, { tenantId, key })
    wanted.set(set, asked)
    if (!scouting) throw new Missing()
    return entry
  }

  function change(entry: Entry, values: Values | undefined): void {
    // What is complete is not undone: a handler that fails ends the run.
    if (!complete) {
      const { values: before, dirty } = entry
      undo.push(() => Object.assign(entry, { values: before, dirty }))
    }
    entry.values = values
    entry.dirty = true
  }

  const handles = Object.fromEntries(tables.map((set) => [set.layout.name, set.layout.keyed ? keyed(set) : growing(set)]))

  function keyed(set: TableSet) {
    const { layout } = set
    const keyOf = (given: Given): Values => valuesOf(layout, layout.key, given)
    const shownOf = ({ values }: Entry) =>
      values === undefined ? undefined : Object.fromEntries(layout.columns.map(({ name, type }, at) => [name, shown(type, values[at])]))
    return {
      get: (key: Given) => shownOf(entryOf(set, keyOf(key))),
      set(key: Given, columns: Given) {
        const entry = entryOf(set, keyOf(key))
        change(entry, valuesOf(layout, layout.columns, columns, entry.values))
      },
      add(key: Given, amounts: Given) {
        const entry = entryOf(set, keyOf(key))
        const next = [...(entry.values ?? layout.columns.map(() => null))]
        for (const [name, amount] of Object.entries(amounts)) {
          const at = layout.columns.findIndex((column) => column.name === name)
          if (at === -1) throw new TypeError(`${layout.name} has no column ${name}`)
          next[at] = stored(layout.columns[at]?.type ?? 'int4', Number(next[at] ?? 0) + Number(amount ?? 0), `${layout.name}.${name}`)
        }
        change(entry, next)
      },
      delete(key: Given) {
        const entry = entryOf(set, keyOf(key))
        if (entry.values !== undefined) change(entry, undefined)
      },
      take(key: Given) {
        const entry = entryOf(set, keyOf(key))
        const row = shownOf(entry)
        if (row !== undefined) change(entry, undefined)
        return row
      },
    }
  }

  function growing(set: TableSet) {
    return {
      insert(row: Given) {
        set.grown.push({ tenantId, values: [position, nth++, ...valuesOf(set.layout, set.layout.columns, row)] })
      },
    }
  }

  function run(at: RecordedEvent): void {
    const handler = Object.hasOwn(projection.on, at.type) ? projection.on[at.type] : undefined
    if (handler === undefined) return
    tenantId = at.stream.tenantId
    position = at.position
    nth = 0
    handler(fromStored<DomainEvent>(at), at, handles)
  }

  /** What was written since `lengths` were taken is taken back. */
  function forget(lengths: readonly number[]): void {
    for (let at = undo.length - 1; at >= 0; at--) undo[at]?.()
    undo.length = 0
    tables.forEach(({ grown }, at) => (grown.length = lengths[at] ?? 0))
  }

  function scout(events: readonly RecordedEvent[]): void {
    const lengths = tables.map(({ grown }) => grown.length)
    scouting = true
    for (const at of events) {
      try {
        run(at)
      } catch {
        // It runs on rows that are not there: what it really does is seen when they are.
      }
    }
    scouting = false
    forget(lengths)
  }

  return {
    tables,
    async take(events, load) {
      complete = load === undefined
      for (let at = 0; at < events.length;) {
        const event = events[at]
        if (event === undefined) return
        const lengths = complete ? [] : tables.map(({ grown }) => grown.length)
        try {
          run(event)
          at++
          // What an event did is undone for its own second try only.
          undo.length = 0
        } catch (error) {
          forget(lengths)
          if (!(error instanceof Missing) || load === undefined) throw failed(event, error)
          scout(events.slice(at))
          await load(wanted)
          wanted.clear()
        }
      }
    },
  }
}

type Given = Readonly<Record<string, unknown>>

/** A key as text. JSON: no two keys are the same text, whatever characters they have. */
export const nameOf = (tenantId: string, key: Values): string => {
  const [first] = key
  return key.length === 1 && typeof first === 'string' ? `${tenantId}/${first}` : `${tenantId}/${JSON.stringify(key)}`
}

function failed({ type, position, stream, version }: RecordedEvent, error: unknown): HandlerFailed {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new HandlerFailed(`${type} at position ${BigInt(position)} (${streamName(stream)}, version ${version}) could not be projected: ${what}`, {
    cause: error,
  })
}

/** Checked here and not by the database, so that the event is named which brought it. */
function valuesOf({ name: table }: Layout, columns: readonly Column[], given: Given, before?: Values): Values {
  const values = columns.map(({ name, type }, at) => {
    const value = given[name]
    if (value === undefined) return before?.[at] ?? null
    return value === null ? null : stored(type, value, `${table}.${name}`)
  })
  for (const name in given) if (!columns.some((column) => column.name === name)) throw new TypeError(`${table} has no column ${name}`)
  return values
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function stored(type: ColumnType, value: unknown, where: string): unknown {
  const no = (): never => {
    throw new TypeError(`${where} is a column of type ${type} and cannot hold this ${value instanceof Date ? 'moment' : typeof value}`)
  }
  switch (type) {
    case 'uuid':
      return typeof value === 'string' && uuid.test(value) ? value : no()
    case 'text':
      return typeof value === 'string' ? value : no()
    case 'int4':
      return typeof value === 'number' && (value | 0) === value ? value : no()
    case 'int8':
      return typeof value === 'number' && Number.isSafeInteger(value) ? value : no()
    case 'bool':
      return typeof value === 'boolean' ? value : no()
    case 'timestamptz': {
      const moment = value instanceof Date ? value : new Date(typeof value === 'string' ? value : Number.NaN)
      return Number.isNaN(moment.getTime()) ? no() : moment
    }
    case 'json':
      return JSON.stringify(value) ?? no()
    case 'bytea':
      return value instanceof Uint8Array ? value : no()
    default:
      return type satisfies never
  }
}

const shown = (type: ColumnType, value: unknown): unknown => (type === 'json' && typeof value === 'string' ? (JSON.parse(value) as unknown) : value)

export const allColumns = (layout: Layout): readonly Column[] => [...keyColumns(layout), ...layout.columns]
