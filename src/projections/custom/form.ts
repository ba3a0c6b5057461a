import type { Pool } from 'pg'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Statement } from '../../postgres/transaction.ts'
import { layoutOf, tableDefinition, type Layout } from './layout.ts'
import type { AnyProjection } from './project.ts'
import { createBulkWriter, loadFrom, writeStatements, written } from './rows.ts'
import { createWorkingSet } from './working-set.ts'

export type Stretch = { readonly events: readonly RecordedEvent[]; readonly after: Position; readonly through: Position }

/** Connections of the login user, who owns what is made here; `copyPool` is made with `pipeline: false`. */
export type FormPools = { readonly pool: Pool; readonly copyPool: Pool }

/** One way to write a projection of one's own: in TypeScript, or as one SELECT. */
export type Form = {
  /** What it is told of; undefined: it reads the log by itself and needs only positions. */
  readonly types: readonly string[] | undefined
  /** Makes the tables in a schema that is there and empty. */
  readonly create: (pool: Pool, schema: string) => Promise<readonly string[]>
  /** Fills tables that nobody reads, from the beginning on. */
  readonly begin: (pools: FormPools, schema: string) => Filling
  /** Goes on with tables that are read: what a stretch changes is written in the transaction that moves the checkpoint over it. */
  readonly goOn: (pools: FormPools, schema: string) => GoingOn
}
export type Filling = { readonly take: (stretch: Stretch) => Promise<void>; readonly finish: () => Promise<void> }
export type GoingOn = {
  /** Called for one stretch after the other, each before the next one is prepared. */
  readonly prepare: (stretch: Stretch) => Promise<readonly Statement[]>
  readonly committed: () => void
}

/** Keyed rows of one table kept in memory: some 150 MB of small ones. */
const mostRows = 400_000

export function typescriptForm(projection: AnyProjection, { mostEntries = mostRows }: { mostEntries?: number } = {}): Form {
  const layouts = Object.entries(projection.tables).map(([name, spec]) => layoutOf(name, spec))
  return {
    types: Object.keys(projection.on),
    async create(pool, schema) {
      for (const layout of layouts) await pool.query(tableDefinition(schema, layout))
      return layouts.map(({ table }) => table)
    },
    begin: (pools, schema) => filling(projection, layouts, { ...pools, schema, mostEntries }),
    goOn({ pool }, schema) {
      const set = createWorkingSet(projection, layouts)
      const load = loadFrom(pool, schema)
      return {
        async prepare({ events }) {
          await set.take(events, load)
          return set.tables.flatMap((table) => writeStatements(schema, table))
        },
        committed() {
          for (const table of set.tables) written(table, mostEntries)
        },
      }
    },
  }
}

function filling(
  projection: AnyProjection,
  layouts: readonly Layout[],
  { pool, copyPool, schema, mostEntries }: FormPools & { schema: string; mostEntries: number },
): Filling {
  const set = createWorkingSet(projection, layouts)
  const writer = createBulkWriter({ pool, copyPool, schema, sets: set.tables, mostEntries })
  const load = loadFrom(pool, schema)
  return {
    async take({ events }) {
      await set.take(events, writer.complete() ? undefined : load)
      await writer.relieve()
    },
    finish: async () => writer.finish(),
  }
}
