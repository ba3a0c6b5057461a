import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readConfig, type Config } from './config.ts'
import { masterKey, operatorKey } from './keys.ts'

describe('the keys of an installation', () => {
  let dataDir: string
  const config = (env: Record<string, string> = {}): Config => readConfig({ RECADO_DATA_DIR: join(dataDir, 'data'), ...env })

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'recado-keys-'))
  })
  afterEach(() => {
    chmodSync(dataDir, 0o700)
    rmSync(dataDir, { recursive: true })
  })

  it('are made once, kept for the owner only, and the same at the next start', () => {
    const [first, second] = [masterKey(config()), masterKey(config())]
    expect(first).toHaveLength(32)
    expect(second).toEqual(first)
    expect(operatorKey(config())).toEqual(operatorKey(config()))
    for (const name of ['master.key', 'operator.key']) expect(statSync(join(dataDir, 'data', name)).mode & 0o777).toBe(0o600)
  })

  it('are taken from the environment when they are there, and then not written down', () => {
    const key = Buffer.alloc(32, 1)
    const given = config({ RECADO_MASTER_KEY: key.toString('base64'), RECADO_OPERATOR_KEY: 'the-operator-of-the-test' })
    expect(masterKey(given)).toEqual(key)
    expect(operatorKey(given)).toEqual({ key: 'the-operator-of-the-test', file: undefined })
    expect(() => statSync(join(dataDir, 'data'))).toThrow(/ENOENT/)
  })

  it('are never made up for a database that was sealed with another one', () => {
    mkdirSync(join(dataDir, 'data/postgres'), { recursive: true })
    expect(() => masterKey(config())).toThrow(/no master key.*Restore the key, or start with an empty RECADO_DATA_DIR/)
    expect(() => readFileSync(join(dataDir, 'data/master.key'))).toThrow(/ENOENT/)
  })

  it('are refused when their file was damaged', () => {
    mkdirSync(join(dataDir, 'data'))
    writeFileSync(join(dataDir, 'data/master.key'), 'AAAA\n')
    expect(() => masterKey(config())).toThrow(/does not hold a master key/)
  })

  it('say which directory they cannot be kept in', () => {
    writeFileSync(join(dataDir, 'data'), '')
    expect(() => operatorKey(config())).toThrow(
      /^Nothing can be kept in .*data \(.*\)\. Set RECADO_DATA_DIR to a directory that can be written to\.$/,
    )
  })
})
