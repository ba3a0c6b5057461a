import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { reachable, type Identity } from './identity.ts'
import { EmbeddedPostgresRefused, type Note } from './refused.ts'

/** The owner of the cluster in the data directory, if there is one yet. @throws when it was there and is gone. */
export function clusterOwner(dataDir: string): number | undefined {
  const cluster = join(dataDir, 'postgres')
  const link = lstatSync(cluster, { throwIfNoEntry: false })
  if (link === undefined) return undefined
  if (link.isSymbolicLink() && !existsSync(cluster))
    throw new EmbeddedPostgresRefused(
      `${cluster} points to ${readlinkSync(cluster)}, which is gone. Restore it from a backup, or start with an empty RECADO_DATA_DIR.`,
    )
  return statSync(cluster).uid
}

/**
 * The cluster's real path; made when there is none. initdb works in a folder of another name that gets the right one when it is complete, so that a kill
 * in between leaves no half-made cluster.
 */
export function prepareCluster(dataDir: string, identity: Identity, { bin, major }: Binaries, roomForOthers: string, note: Note): string {
  const cluster = join(dataDir, 'postgres')
  if (!existsSync(cluster)) {
    const near = reachable(dataDir, identity)
    const home = near ? dataDir : newFolder(roomForOthers)
    makeCluster(join(home, 'postgres'), identity, bin)
    if (!near) {
      symlinkSync(join(home, 'postgres'), cluster)
      note(`The account that PostgreSQL runs as cannot reach ${dataDir}: the database is in ${home}, with a link to it.`)
    }
  }
  const real = realpathSync(cluster)
  const found = readFileSync(join(real, 'PG_VERSION'), 'utf8').trim()
  if (found !== major)
    throw new EmbeddedPostgresRefused(
      `The database in ${cluster} is of PostgreSQL ${found}, and this Recado brings PostgreSQL ${major}. Start the version of Recado that made it, or move the data over with pg_upgrade or pg_dump.`,
    )
  if (!reachable(real, identity))
    throw new EmbeddedPostgresRefused(`The account that PostgreSQL runs as (uid ${identity.uid}) cannot reach ${real}: a folder above it is closed.`)
  return real
}

/** Never one that was used before: what an earlier data directory left there may be sealed with another key. */
function newFolder(room: string): string {
  mkdirSync(room, { recursive: true, mode: 0o755 })
  const folder = mkdtempSync(join(room, 'data-'))
  chmodSync(folder, 0o755)
  return folder
}

function makeCluster(cluster: string, identity: Identity, bin: string): void {
  const draft = `${cluster}.making`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  give(draft, identity)
  // Locale "C.UTF-8" of PostgreSQL itself: the same order on every machine, and no index is spoilt by another libc.
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', draft, '-U', 'recado', '--auth-local=trust', '--auth-host=reject', '--data-checksums', ...locale],
    {
      ...identity,
      cwd: '/',
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: process.env['PATH'] },
    },
  )
  if (made.status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    throw new EmbeddedPostgresRefused(`PostgreSQL could not make a database in ${cluster}: ${made.error?.message ?? made.stderr.trim()}`)
  }
  renameSync(draft, cluster)
}

// A socket's address has room for 107 bytes; the name PostgreSQL gives it takes 14 and a slash.
const longestFolder = 107 - '/.s.PGSQL.5432'.length

/** The folder for the socket: the cluster itself, which only its owner may enter, unless its path is too long. Then one in the temporary folder, to be removed. */
export function socketFolder(cluster: string, identity: Identity): { readonly folder: string; readonly temporary: boolean } {
  if (Buffer.byteLength(cluster) <= longestFolder) return { folder: cluster, temporary: false }
  const folder = mkdtempSync(join(tmpdir(), 'recado-'))
  chmodSync(folder, 0o700)
  give(folder, identity)
  return { folder, temporary: true }
}

function give(path: string, { uid, gid }: Identity): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}
