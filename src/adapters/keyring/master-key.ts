import { createSecretKey, type KeyObject } from 'node:crypto'
import type pg from 'pg'
import { SealBroken } from '../../domain/kernel/vault.ts'
import { openWith, sealWith } from './seal.ts'

/** There is one master key at a time; its version stands in what it wraps, so that a later one can be told from it. */
export const masterVersion = 1

const canary = 'recado'
const boundTo = 'master-check'

export class WrongMasterKey extends Error {
  override readonly name = 'WrongMasterKey'
  constructor(options?: ErrorOptions) {
    super('The data in this database was sealed with another RECADO_MASTER_KEY. Start with the key that it was first started with.', options)
  }
}

export function masterKeyOf(bytes: Uint8Array): KeyObject {
  if (bytes.byteLength !== 32) throw new Error(`the master key must have 32 bytes, this one has ${bytes.byteLength}`)
  return createSecretKey(bytes)
}

/**
 * To be awaited at start, before the first `ensure`. The first start of an installation leaves the canary, every later one must open it.
 * @throws WrongMasterKey
 */
export async function checkMasterKey({ pool, masterKey }: { pool: pg.Pool; masterKey: Uint8Array }): Promise<void> {
  const key = masterKeyOf(masterKey)
  await pool.query('insert into keyring.master_check (id, sealed) values (1, $1) on conflict do nothing', [
    sealWith(key, masterVersion, boundTo, Buffer.from(canary)),
  ])
  const { rows } = await pool.query<{ sealed: Buffer }>('select sealed from keyring.master_check where id = 1')
  try {
    for (const { sealed } of rows) openWith(key, boundTo, sealed)
  } catch (cause) {
    if (cause instanceof SealBroken) throw new WrongMasterKey({ cause })
    throw cause
  }
}
