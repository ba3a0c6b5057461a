import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from './config.ts'

/** A key that would be made up although data already depends on another one. The text says what to do. */
export class KeyRefused extends Error {
  override name = 'KeyRefused'
}

/**
 * The key that wraps all others: as given, else the one kept in the data directory, else a new one that is kept there. To be called before the embedded
 * database is first started: a database without a key beside it was sealed with one that is lost, and a new one would only hide that.
 * A key that does not fit what is in the database is told by the keyring, which keeps a known text under it.
 */
export function masterKey(config: Pick<Config, 'given' | 'dataDir' | 'production'>): Buffer {
  if (config.given.masterKey !== undefined) return config.given.masterKey
  const file = join(config.dataDir, 'master.key')
  const kept = readKey(file)
  if (kept !== undefined) {
    const key = Buffer.from(kept, 'base64')
    if (key.length !== 32) throw new KeyRefused(`${file} does not hold a master key (32 bytes as base64). Restore it from a backup.`)
    return key
  }
  if (config.production) throw new KeyRefused('RECADO_MASTER_KEY is required in production.')
  if (existsSync(join(config.dataDir, 'postgres')))
    throw new KeyRefused(
      `There is a database in ${config.dataDir} and no master key: neither RECADO_MASTER_KEY nor ${file}. Nothing personal in it can be read without the key it was made with. Restore the key, or start with an empty RECADO_DATA_DIR.`,
    )
  return Buffer.from(keepKey(file, randomBytes(32).toString('base64')), 'base64')
}

/** The platform operator's API key: as given, else kept in the data directory, made when there is none. `file` is where to look it up. */
export function operatorKey(config: Pick<Config, 'given' | 'dataDir'>): { readonly key: string; readonly file: string | undefined } {
  if (config.given.operatorKey !== undefined) return { key: config.given.operatorKey, file: undefined }
  const file = join(config.dataDir, 'operator.key')
  return { key: readKey(file) ?? keepKey(file, randomBytes(32).toString('base64url')), file }
}

function readKey(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8').trim()
  return text === '' ? undefined : text
}

/**
 * Durable before it is used, readable by the owner only, and never replaced: of two processes that start together the slower one takes the other's key.
 */
function keepKey(file: string, text: string): string {
  try {
    return keep(file, text)
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new KeyRefused(`Nothing can be kept in ${dirname(file)} (${error.message}). Set RECADO_DATA_DIR to a directory that can be written to.`)
  }
}

function keep(file: string, text: string): string {
  // Under root PostgreSQL runs as another account and has to pass through to its own folder, whatever the umask says.
  if (mkdirSync(dirname(file), { recursive: true }) !== undefined) chmodSync(dirname(file), 0o711)
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const open = openSync(draft, 'wx', 0o600)
  writeSync(open, `${text}\n`)
  fsyncSync(open)
  closeSync(open)
  try {
    linkSync(draft, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    rmSync(draft)
  }
  const directory = openSync(dirname(file), 'r')
  fsyncSync(directory)
  closeSync(directory)
  const kept = readKey(file)
  if (kept === undefined) throw new KeyRefused(`${file} is empty. Remove it, or restore it from a backup.`)
  return kept
}
