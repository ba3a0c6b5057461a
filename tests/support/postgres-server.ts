import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/start.ts'

const quiet = { info: () => undefined, warn: () => undefined, error: console.error }

/** A PostgreSQL server to throw away, with the durability of the real thing and room for many spec files at once. */
export async function startThrowAwayPostgres(): Promise<{ url: string; stop: () => Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'recado-test-'))
  // Closed to others as mkdtemp makes it, root's PostgreSQL, which runs as one of them, would have to put its data elsewhere.
  chmodSync(dataDir, 0o755)
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, 'data'), log: quiet, settings: { max_connections: '300' } })
  return {
    url: server.url,
    async stop() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Vitest's globalSetup: RECADO_TEST_POSTGRES for every worker: DATABASE_URL when it is set, else a server that lives as long as the run. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['RECADO_TEST_POSTGRES'] !== undefined) return undefined
  const given = process.env['DATABASE_URL']
  if (given !== undefined && given !== '') {
    process.env['RECADO_TEST_POSTGRES'] = given
    return undefined
  }
  const server = await startThrowAwayPostgres()
  process.env['RECADO_TEST_POSTGRES'] = server.url
  return async () => {
    delete process.env['RECADO_TEST_POSTGRES']
    await server.stop()
  }
}
