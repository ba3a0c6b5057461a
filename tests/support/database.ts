import { createHash, randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { migrate, readMigrations } from '../../src/postgres/migrate.ts'

export type TestDatabase = { readonly url: string; readonly drop: () => Promise<void> }

const templateLock = 732_237

/**
 * A migrated database of its own for one spec file, copied from a template in some 50 ms.
 * `server` is for programs outside vitest, such as benches; under vitest the run's server is known (`postgres-server.ts`).
 */
export async function freshDatabase(server = process.env['RECADO_TEST_POSTGRES']): Promise<TestDatabase> {
  if (server === undefined) throw new Error('no test server: run under vitest, or hand over the url of one')
  const template = await migratedTemplate(server)
  const name = `recado_test_${randomBytes(6).toString('hex')}`
  await administer(server, (admin) => copy(admin, name, template))
  return {
    url: databaseUrl(server, name),
    drop: () => administer(server, (admin) => dropDatabase(admin, name)),
  }
}

/** Another database with the same content. Nobody may be connected to the original. */
export async function copyOf(original: TestDatabase): Promise<TestDatabase> {
  const source = new URL(original.url).pathname.slice(1)
  const name = `recado_test_${randomBytes(6).toString('hex')}`
  await administer(databaseUrl(original.url, 'postgres'), (admin) => copy(admin, name, source))
  return { url: databaseUrl(original.url, name), drop: () => administer(databaseUrl(original.url, 'postgres'), (admin) => dropDatabase(admin, name)) }
}

/** The url of another database on the same server. */
export function databaseUrl(server: string, name: string): string {
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/**
 * The template of the present migrations, made by whoever comes first. It is named after their content and gets that name only when it is complete,
 * so an edited migration or a killed run can never leave a template that lies.
 */
async function migratedTemplate(server: string): Promise<string> {
  const migrations = await readMigrations()
  const hash = createHash('sha256')
  for (const { name, sha256 } of migrations) hash.update(`${name} ${sha256}\n`)
  const template = `recado_template_${hash.digest('hex').slice(0, 16)}`
  const making = `${template}_making`
  await administer(server, async (admin) => {
    await admin.query('select pg_advisory_lock($1)', [templateLock])
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [template])
    if (rowCount !== 0) return
    await admin.query(`drop database if exists ${making} with (force)`)
    await admin.query(`create database ${making} template template0`)
    await migrate({ url: databaseUrl(server, making), migrations })
    await admin.query(`alter database ${making} rename to ${template}`)
  })
  return template
}

/** Two copies of one template at a time are refused (55006): the spec files start together, so they take turns. */
async function copy(admin: Client, name: string, template: string): Promise<void> {
  await admin.query('select pg_advisory_lock($1)', [templateLock])
  await admin.query(`create database ${name} template ${template}`)
}

async function dropDatabase(admin: Client, name: string): Promise<void> {
  await admin.query(`drop database if exists ${name} with (force)`)
}

async function administer(server: string, work: (admin: Client) => Promise<void>): Promise<void> {
  const admin = new Client({ connectionString: server })
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
