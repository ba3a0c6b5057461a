import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Client, DatabaseError, escapeIdentifier } from 'pg'

/** One file of migrations/, known by its number and content. */
export type Migration = { readonly name: string; readonly sql: string; readonly sha256: string }

export class MigrationRefused extends Error {
  override name = 'MigrationRefused'
}

const migrationsDirectory = fileURLToPath(new URL('../../migrations/', import.meta.url))

const fileName = /^\d{4}_[a-z0-9_]+\.sql$/

/** The migrations in the order in which they apply. @throws MigrationRefused for a file that is not named NNNN_name.sql, or a number given twice. */
export async function readMigrations(directory = migrationsDirectory): Promise<readonly Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort()
  const misnamed = names.find((name) => !fileName.test(name))
  if (misnamed !== undefined) throw new MigrationRefused(`The migration "${misnamed}" is not named like 0007_what_it_does.sql.`)
  const twice = names.find((name, index) => names[index - 1]?.slice(0, 4) === name.slice(0, 4))
  if (twice !== undefined) throw new MigrationRefused(`Two migrations have the number ${twice.slice(0, 4)}.`)
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(`${directory}/${name}`, 'utf8')
      return { name: name.slice(0, -'.sql'.length), sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** Any number that nobody else locks in this database: the digits of "recado" on a telephone. */
const migrationLock = 732_236

/**
 * Brings the database to this version's schema and tells what was applied. Every file runs in a transaction of its own, once; files are never edited after that.
 * Safe when several processes start at once: the first one works, the others wait for its lock and then find nothing to do.
 * @throws MigrationRefused when the history in the database is not the one in the files, or the user may not do what is needed.
 */
export async function migrate({ url, migrations }: { url: string; migrations?: readonly Migration[] }): Promise<{ applied: readonly string[] }> {
  const wanted = migrations ?? (await readMigrations())
  const client = new Client({ connectionString: url, application_name: 'recado migrate', options: '-c TimeZone=UTC' })
  client.on('error', () => undefined) // a connection that breaks also fails the statement that runs; there it is handled
  await client.connect()
  try {
    // A session lock: transactions come and go below, one per file. It ends with the connection, also when the process is killed.
    await client.query('select pg_advisory_lock($1)', [migrationLock])
    await requireRoles(client)
    await client.query(`
      create schema if not exists es;
      create table if not exists es.migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default clock_timestamp())`)
    const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from es.migrations order by name')
    const open = pending(wanted, rows)
    for (const migration of open) await apply(client, migration)
    return { applied: open.map(({ name }) => name) }
  } catch (error) {
    throw explained(error, client.user)
  } finally {
    await client.end()
  }
}

const roles = ['recado_api', 'recado_worker']

async function apply(client: Client, migration: Migration): Promise<void> {
  await client.query('begin')
  try {
    await client.query(migration.sql)
    await client.query('insert into es.migrations (name, sha256) values ($1, $2)', [migration.name, migration.sha256])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw new MigrationFailed(migration.name, error)
  }
}

class MigrationFailed extends Error {
  override name = 'MigrationFailed'
  constructor(migration: string, cause: unknown) {
    super(`The migration ${migration} failed and left nothing behind: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** What is still to do. @throws MigrationRefused when what was done is not a beginning of what the files say. */
function pending(wanted: readonly Migration[], applied: readonly { name: string; sha256: string }[]): readonly Migration[] {
  for (const [index, done] of applied.entries()) {
    const file = wanted[index]
    if (file === undefined)
      throw new MigrationRefused(
        `The database was migrated by a newer Recado: it knows "${done.name}", this version does not. Start the newer version.`,
      )
    if (file.name !== done.name)
      throw new MigrationRefused(
        `The migration "${file.name}" stands where the database has "${done.name}". Give new migrations a number after the last.`,
      )
    if (file.sha256 !== done.sha256)
      throw new MigrationRefused(`The migration "${file.name}" was edited after it had been applied. Restore it and put the change into a new file.`)
  }
  return wanted.slice(applied.length)
}

/** Creating the roles needs CREATEROLE; where an administrator made them, being a member is enough. */
async function requireRoles(client: Client): Promise<void> {
  const { rows } = await client.query<{ missing: string[]; foreign: string[]; may_create: boolean }>(
    `
    select array(select wanted from unnest($1::text[]) as wanted where not exists (select from pg_roles where rolname = wanted)) as missing,
           array(select rolname::text from pg_roles where rolname = any ($1) and not pg_has_role(current_user, oid, 'SET')) as foreign,
           (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) as may_create`,
    [roles],
  )
  const [row] = rows
  if (row === undefined || row.may_create || (row.missing.length === 0 && row.foreign.length === 0)) return
  const user = escapeIdentifier(client.user ?? '')
  const create = row.missing.map((role) => `create role ${role} nologin; `).join('')
  throw new MigrationRefused(
    `The user ${user} of DATABASE_URL may not set up the roles that wall the tenants off. ` +
      `Let an administrator run: ${create}grant ${roles.join(', ')} to ${user};`,
  )
}

function explained(error: unknown, user: string | undefined): unknown {
  const cause = error instanceof MigrationFailed ? error.cause : error
  if (!(cause instanceof DatabaseError) || cause.code !== '42501') return error
  const hint = `The user "${user}" of DATABASE_URL lacks a right that Recado needs: ${cause.message}. It has to own the database and be a member of recado_api and recado_worker.`
  return new MigrationRefused(hint, { cause: error })
}
