import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { processStart } from './process-start.ts'
import { EmbeddedPostgresRefused, isErrno } from './refused.ts'

/**
 * One program per data directory. FREE → HELD → FREE by release, or by the death of the holder: the lock names its holder by place, pid and start of the
 * process, so a lock left by kill -9 is recognised even when the pid lives again as something else.
 * A holder in another place (two containers on one volume: neither sees the other's processes, and PostgreSQL's own guard is blind there too) is judged by
 * its heartbeat, the file's modification time.
 */
export type DirectoryLock = { readonly release: () => void }

const holder = z.object({ place: z.string(), host: z.string(), pid: z.number().int(), started: z.string() })
const heartbeatMs = 2_000
const silenceMs = 10_000

/** @throws EmbeddedPostgresRefused that names the holder. */
export async function lockDirectory(directory: string, place = pidsMeanTheSame()): Promise<DirectoryLock> {
  const file = join(directory, 'recado.lock')
  const mine = JSON.stringify({ place, host: hostname(), pid: process.pid, started: processStart(process.pid) ?? '' })
  while (!claim(file, mine)) {
    const text = read(file)
    if (text === undefined) continue
    const held = holder.safeParse(parseJson(text))
    // A lock that cannot be read was being written when the machine went down: nobody holds it.
    if (held.success && (held.data.place === place ? processStart(held.data.pid) === held.data.started : await beats(file)))
      throw new EmbeddedPostgresRefused(
        `${directory} is in use by the Recado with pid ${held.data.pid}${held.data.place === place ? '' : ` on ${held.data.host}`}. Stop that one, or set RECADO_DATA_DIR to another directory.`,
      )
    discard(file, text)
  }
  const beat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date())
    } catch {
      // The directory went away under us; whatever else is in it says so louder.
    }
  }, heartbeatMs).unref()
  return {
    release() {
      clearInterval(beat)
      if (read(file) === mine) rmSync(file, { force: true })
    },
  }
}

/** Where a pid is the same process for everybody: this boot of this machine, and within it this container. A host name would not tell containers apart. */
function pidsMeanTheSame(): string {
  if (platform() !== 'linux') return hostname()
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
}

/** Complete at once or not at all: the content is there before the name is, and a name that exists is never replaced. */
function claim(file: string, content: string): boolean {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, content, { mode: 0o644 })
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  } finally {
    rmSync(draft)
  }
}

/**
 * Takes a dead holder's lock away. Of several who try, the one that moves it away first; who then finds somebody's fresh lock in hand gives it back.
 * (A third process could slip in between; PostgreSQL's own postmaster.pid still lets only one server run on this host.)
 */
function discard(file: string, stale: string): void {
  const aside = `${file}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  try {
    if (read(aside) !== stale) linkSync(aside, file)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    rmSync(aside)
  }
}

async function beats(file: string): Promise<boolean> {
  const modified = (): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const before = modified()
  for (const until = Date.now() + silenceMs; Date.now() < until; await sleep(200)) if (modified() !== before) return true
  return false
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
