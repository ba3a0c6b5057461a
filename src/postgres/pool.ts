import { Pool, types as builtIn, type ClientBase, type CustomTypesConfig } from 'pg'
import { sendParametersAsTheyAre } from './bind.ts'

/** `owner` is the login user of the url itself: migrations and the projections' tables only. */
export type DatabaseRole = 'recado_api' | 'recado_worker' | 'owner'

export type PoolOptions = {
  readonly url: string
  readonly role: DatabaseRole
  readonly max: number
  /** Shown in pg_stat_activity, and told to `onError`. */
  readonly name: string
  /** How long one statement may take (30 s; 0 = as long as it likes). */
  readonly statementTimeoutMs?: number
  /** Whether statements travel in one flight (yes). COPY streams take the socket for themselves and need a pool without. */
  readonly pipeline?: boolean
  /** What a broken idle connection says. The pool has dropped it already: this is for the log only. */
  readonly onError?: (error: Error, pool: string) => void
}

const dateOid = 1082
const types: CustomTypesConfig = {
  // `date` has no time zone: as a Date it would mean another day east of Greenwich. pg's own parser table is global, so it is left alone.
  getTypeParser: ((oid: number, format: 'text' | undefined): unknown =>
    oid === dateOid ? String : builtIn.getTypeParser(oid, format)) as typeof builtIn.getTypeParser,
}

/**
 * A pool whose connections have taken on `role` before they are first used. int8 comes as text, timestamptz as Date, json parsed, date as text.
 * Connections pipeline: statements issued without awaiting travel in one flight and are answered in order. COPY streams and cursors need a client of their own.
 */
export function createPool({ url, role, max, name, statementTimeoutMs = 30_000, pipeline = true, onError }: PoolOptions): Pool {
  const settings = [
    ...(role === 'owner' ? [] : [`role=${role}`]),
    'TimeZone=UTC',
    `statement_timeout=${statementTimeoutMs}`,
    // A transaction forgotten open would hold the log's append lock: nothing here needs to think for that long in one.
    'idle_in_transaction_session_timeout=30s',
  ]
  // What stands in the url wins over what is said beside it: left there, options of its own (Neon's endpoint) would silently take ours away, the role with them.
  const server = new URL(url)
  const given = server.searchParams.getAll('options')
  server.searchParams.delete('options')
  server.searchParams.delete('application_name')
  const pool = new Pool({
    connectionString: server.href,
    max,
    application_name: `recado ${name}`,
    options: [...given, ...settings.map((setting) => `-c ${setting}`)].join(' '),
    ...(role === 'owner' ? {} : { verify: (client, done) => verifyRole(client, role, done) }),
    types,
    pipeline,
    // A server that froze answers nothing, not even that the statement took too long: then the connection is cut here.
    ...(statementTimeoutMs === 0 ? {} : { query_timeout: statementTimeoutMs + 5_000 }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
  })
  // Without listeners a connection that breaks (the server restarted) would end the process: idle ones tell the pool,
  // those in use tell whoever waits for their answer, and would still emit an error that nobody hears.
  pool.on('error', (error) => onError?.(error, name))
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    sendParametersAsTheyAre(client)
  })
  return pool
}

/** A pooler in between may drop the options of a connection. Without the role every query would run as the owner, past the walls between tenants. */
function verifyRole(client: ClientBase, role: DatabaseRole, done: (error?: Error) => void): void {
  client.query<{ me: string }>('select current_user::text as me', (error: Error | null, result) => {
    if (error !== null) done(error)
    else if (result.rows[0]?.me === role) done()
    else
      done(
        new Error(
          `The database connection did not take on the role ${role}: something between Recado and PostgreSQL drops its options. Connect directly.`,
        ),
      )
  })
}
