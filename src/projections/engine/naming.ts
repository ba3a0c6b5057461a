import type { Projection } from './projection.ts'

/** `lastInboundAt` → `last_inbound_at`, for types. */
export type Snake<Text extends string> = Text extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Snake<Tail>}`
  : ''

/** A row as its table has it. */
export type Columns<Row> = { [Column in keyof Row & string as Snake<Column>]: Row[Column] }

/** A row as a query returns it: the columns of `Json` come parsed. */
export type Read<Row, Json extends { [Column in keyof Row]?: unknown }> = Omit<Row, keyof Json> & Json

export const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The schema that queries read. It always holds the live generation: a switch-over renames schemas and leaves this name in place. */
export const schemaOf = (projection: { name: string }): string => `rm_${snake(projection.name)}`

export const tableOf = (projection: { name: string }): string => snake(projection.name)

/** The subscription of a generation. */
export const subscriptionOf = (projection: Pick<Projection, 'name' | 'version'>): string => `${projection.name}@v${projection.version}`

/** The subscription under which the next generation of a read model is filled: its own when the version is new, else one beside that of the live one. */
export const shadowOf = (projection: Pick<Projection, 'name' | 'version'>, liveVersion: number | undefined): string =>
  liveVersion === projection.version ? `${subscriptionOf(projection)}+next` : subscriptionOf(projection)

/**
 * The columns of a table for a typed select, each under its name in TypeScript. Never `select *`: a prepared `*` fails when a new generation
 * with other columns takes the schema's name.
 */
export function selection<View, Alias extends string>(table: { readonly columns: object }, alias: Alias): Selected<View, Alias>[] {
  return Object.keys(table.columns).map((column) => `${alias}.${snake(column)} as ${column}`) as Selected<View, Alias>[]
}
type Selected<View, Alias extends string> = { [Column in keyof View & string]: `${Alias}.${Snake<Column>} as ${Column}` }[keyof View & string]

/** A read model's table for the query composer: its columns in the database's names, and the tenant. */
export type ReadTable<Row> = Columns<Row> & { readonly tenant_id: string }
