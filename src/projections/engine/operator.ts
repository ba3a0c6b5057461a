import type { CompiledQuery } from 'kysely'
import type { Pool, QueryResultRow } from 'pg'

/** Composed queries over all tenants: for the operator only, never for a route that a tenant can reach. */
export type OperatorQueries = { readonly runAcross: <Row extends QueryResultRow>(query: CompiledQuery<Row>) => Promise<readonly Row[]> }

/** @param pool connections of the role recado_worker, which sees every tenant */
export const operatorQueries = (pool: Pool): OperatorQueries => ({
  runAcross: async <Row extends QueryResultRow>(query: CompiledQuery<Row>) => (await pool.query<Row>(query.sql, [...query.parameters])).rows,
})
