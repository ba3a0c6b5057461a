import { DatabaseError, type CustomTypesConfig, type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg'

/** A statement with a name is prepared once per connection: for the hot ones with a fixed text. */
export type Statement = { readonly text: string; readonly values?: readonly unknown[]; readonly name?: string; readonly types?: CustomTypesConfig }

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/**
 * One statement behind one tenant's wall: the tenant is set for this transaction only, in the same flight as the statement, so no connection ever goes
 * back to the pool with a tenant on it. Row level security does the rest; a statement without this sees no row at all.
 * With a name the statement is prepared once per connection. At 20 callers 87 µs against 53 µs of the bare query and 175 µs with every step awaited;
 * corking the socket so that the three messages leave in one packet gave nothing that could be measured.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a row has the shape its SQL text says; this is where it gets its type
export async function inTenant<Row extends QueryResultRow>(
  pool: Pool,
  tenantId: string,
  query: string | Omit<Statement, 'values'>,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  // The id stands in the text because a simple `begin; set` is one message; it may, being a uuid and nothing else.
  if (!uuid.test(tenantId)) throw new Error('a tenant id is a uuid')
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    // One statement only: if `begin` itself were cancelled, the statement would run without a tenant, where it can do nothing.
    // If the statement fails, the transaction is aborted and `commit` rolls it back, which also takes the tenant off.
    const [began, answered, committed] = await Promise.allSettled([
      client.query(`begin; set local recado.tenant = '${tenantId}'`),
      client.query<Row>({ ...(typeof query === 'string' ? { text: query } : query), values: [...values] }),
      client.query('commit'),
    ])
    for (const one of [began, answered, committed]) if (one.status === 'rejected' && !refused(one.reason)) broken = asError(one.reason)
    if (began.status === 'rejected') throw began.reason
    if (answered.status === 'rejected') throw answered.reason
    if (committed.status === 'rejected') throw committed.reason
    return answered.value.rows
  } finally {
    client.release(broken)
  }
}

/**
 * A transaction for workers. Rolled back when `work` throws; the error is handed on and the connection stays in use if it is sound.
 * Connections pipeline: statements that do not need each other's answers go in one flight as `Promise.all([client.query(…), client.query(…)])`.
 * `begin` and `commit` are awaited on purpose: sent blindly along, a statement that never leaves this process (a value that can't be encoded)
 * would be committed around, for 2 round trips less out of the milliseconds of a durable commit.
 */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((failed: unknown) => {
      broken = asError(failed)
    })
    throw error
  } finally {
    client.release(broken)
  }
}

/**
 * Statements that do not need each other's answers as one transaction: all of them, in this order and in one flight, or none. One alone is a transaction by
 * itself and goes without `begin` and `commit`: two round trips less, half a millisecond of our time and a third of one of PostgreSQL's.
 */
export async function inOneFlight(pool: Pool, statements: readonly Statement[]): Promise<readonly QueryResult[]> {
  const own = statements.map(({ values = [], ...statement }) => ({ ...statement, values: [...values] }))
  const [only] = own
  if (only !== undefined && own.length === 1) return [await pool.query(only)]
  return inTransaction(pool, (client) => Promise.all(own.map(async (statement) => client.query(statement))))
}

/** What the server refused leaves the connection sound. Anything else (cut off, timed out, not encodable) does not: it is closed. */
const refused = (error: unknown): boolean => error instanceof DatabaseError && error.severity !== 'FATAL' && error.severity !== 'PANIC'

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
