import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type CompiledQuery } from 'kysely'
import type { Pool } from 'pg'
import { inTenant } from '../../postgres/transaction.ts'

/** Runs composed queries behind one tenant's wall: row level security shows that tenant's rows, whatever the query says. */
export type Reader = { readonly run: <Row>(tenantId: string, query: CompiledQuery<Row>) => Promise<readonly Row[]> }

/** Runs composed queries over all tenants, with the worker's role: for the operator only. */
export type OperatorReader = { readonly runAcross: <Row>(query: CompiledQuery<Row>) => Promise<readonly Row[]> }

/** @param pool connections of the role recado_api */
export const createReader = (pool: Pool): Reader => ({
  run: <Row>(tenantId: string, query: CompiledQuery<Row>) =>
    inTenant(pool, tenantId, { text: query.sql }, query.parameters) as unknown as Promise<readonly Row[]>,
})

/** @param pool connections of the role recado_worker */
export const createOperatorReader = (pool: Pool): OperatorReader => ({
  runAcross: async <Row>(query: CompiledQuery<Row>) => (await pool.query({ text: query.sql, values: [...query.parameters] })).rows as Row[],
})

/** Kysely as a composer of SQL only: it has no connection, so no query can get around the tenant's transaction. */
export const composer = <Database>(): Kysely<Database> =>
  new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
