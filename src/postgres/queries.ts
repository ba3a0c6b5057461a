import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type CompiledQuery } from 'kysely'
import type { Pool, QueryResultRow } from 'pg'
import { inTenant } from './transaction.ts'

/**
 * Kysely to compose statements with and nothing else: it has no connection, so a query can only run through `tenantQueries`, behind a tenant's wall.
 * `Tables` names schema-qualified tables: `{ 'rm_conversations.conversations': ConversationRow }`.
 */
export const queryBuilder = <Tables>(): Kysely<Tables> =>
  new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })

export type TenantQueries = {
  readonly run: <Row extends QueryResultRow>(tenantId: string, query: CompiledQuery<Row>) => Promise<readonly Row[]>
}

/** `run(tenantId, db.selectFrom('rm_x.x').select('id').compile())`: the rows that the tenant may see. */
export const tenantQueries = (pool: Pool): TenantQueries => ({
  run: (tenantId, query) => inTenant(pool, tenantId, query.sql, query.parameters),
})
