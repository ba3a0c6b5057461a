import { z } from 'zod'
import type { ColumnType } from '../engine/projection.ts'
import type { AnyProjection, TableSpec } from './project.ts'

const identifier = /^[a-z][A-Za-z0-9_]{0,49}$/
const columnTypes = ['uuid', 'text', 'int4', 'int8', 'bool', 'timestamptz', 'json', 'bytea'] as const satisfies readonly ColumnType[]
const own = ['tenant_id', 'position', 'nth']

/** A file that is no projection, or a request that cannot be met: in sentences for whoever wrote it. */
export class ProjectionRefused extends Error {
  override readonly name = 'ProjectionRefused'
}

const named = (what: string) => z.string().regex(identifier, `${what} begins with a small letter and has letters, digits and _ only, at most 50`)
const columns = z.record(
  named('the name of a column').refine((name) => !own.includes(snake(name)), 'is a column that every table has already'),
  z.templateLiteral([z.enum(columnTypes), z.enum(['', ' key'])], `must be one of ${columnTypes.join(', ')}, or one of them with " key" behind it`),
)
const shape = z.object({
  name: named('the name of a projection').optional(),
  tables: z.record(named('the name of a table'), columns).refine((tables) => Object.keys(tables).length > 0, 'at least one table is needed'),
  on: z.record(
    z.string(),
    z.custom<unknown>((handler) => typeof handler === 'function', 'must be a function'),
  ),
})

/** What a file exports by default, looked at before anything is done: types are stripped and not checked when it runs. @throws ProjectionRefused */
export function parseProjection(exported: unknown, knownTypes: readonly string[]): AnyProjection {
  const parsed = shape.safeParse(exported)
  if (!parsed.success) throw new ProjectionRefused(`This is no projection: ${z.prettifyError(parsed.error)}`)
  const unknown = Object.keys(parsed.data.on).filter((type) => !knownTypes.includes(type))
  if (unknown.length > 0)
    throw new ProjectionRefused(`There are no events of the type ${unknown.join(', ')}. docs/reference/events.md lists them all.`)
  if (Object.keys(parsed.data.on).length === 0) throw new ProjectionRefused('`on` names no event.')
  return exported as AnyProjection
}

export type Column = { readonly name: string; readonly sql: string; readonly type: ColumnType }

/** One table as the database has it. Columns of the key stand first; a table without a key has the position and a number within it instead. */
export type Layout = {
  readonly name: string
  readonly table: string
  readonly keyed: boolean
  readonly key: readonly Column[]
  readonly columns: readonly Column[]
}

export const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
export const quoted = (name: string): string => `"${name}"`

export function layoutOf(name: string, spec: TableSpec): Layout {
  const list = (keys: boolean): Column[] =>
    Object.entries(spec)
      .filter(([, type]) => type.endsWith(' key') === keys)
      .map(([column, type]) => ({ name: column, sql: snake(column), type: type.replace(/ key$/, '') as ColumnType }))
  const key = list(true)
  return { name, table: snake(name), keyed: key.length > 0, key, columns: list(false) }
}

const place: readonly Column[] = [
  { name: 'position', sql: 'position', type: 'int8' },
  { name: 'nth', sql: 'nth', type: 'int4' },
]

/** The columns that tell one row of an organisation from another. */
export const keyColumns = (layout: Layout): readonly Column[] => (layout.keyed ? layout.key : place)

const sqlType = (type: ColumnType): string => (type === 'text' ? 'text collate "C"' : type)

/** Behind the same walls as every read model; the key comes later, when the first rows are there. */
export function tableDefinition(schema: string, layout: Layout): string {
  const columns = [
    ...keyColumns(layout).map(({ sql, type }) => `${quoted(sql)} ${sqlType(type)} not null`),
    ...layout.columns.map(({ sql, type }) => `${quoted(sql)} ${sqlType(type)}`),
  ]
  return `create table ${schema}.${quoted(layout.table)} (tenant_id uuid not null, ${columns.join(', ')})`
}

export const keyDefinition = (schema: string, layout: Layout): string =>
  `alter table ${schema}.${quoted(layout.table)} add primary key (tenant_id, ${keyColumns(layout)
    .map(({ sql }) => quoted(sql))
    .join(', ')})`
