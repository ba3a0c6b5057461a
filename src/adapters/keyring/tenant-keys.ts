import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import type pg from 'pg'
import { SealBroken } from '../../domain/kernel/vault.ts'
import { masterVersion, WrongMasterKey } from './master-key.ts'
import { openWith, sealWith } from './seal.ts'
import { shareLoads } from './share-loads.ts'

/** `wrapping` by version, newest under `current`; `index` keys the blind indexes and never changes. */
export type TenantKeys = { readonly current: number; readonly wrapping: ReadonlyMap<number, KeyObject>; readonly index: KeyObject }

export type TenantKeyring = {
  known: (tenantId: string) => TenantKeys | undefined
  /** Loads the tenant's keys, makes them when there are none. */
  ensure: (tenantId: string) => Promise<TenantKeys>
  /** Looks again for a version that another process has made since. */
  reload: (tenantId: string) => Promise<TenantKeys>
}

type Row = { tenant_id: string; purpose: 'wrap' | 'index'; version: number; wrapped_key: Buffer }

const binding = (row: Pick<Row, 'tenant_id' | 'purpose' | 'version'>): string => `tenant-key\0${row.tenant_id}\0${row.purpose}\0${row.version}`

/** Kept for ever, not bounded: a few hundred bytes per tenant, and `seal` and `blindIndex` cannot wait for a load. */
export function createTenantKeyring({ pool, master }: { pool: pg.Pool; master: KeyObject }): TenantKeyring {
  const keys = new Map<string, TenantKeys>()

  /** Puts what is there into `keys`; answers whose keys could not be unwrapped, and why. */
  async function read(tenantIds: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const { rows } = await pool.query<Row>({
      name: 'keyring-tenants',
      text: 'select tenant_id, purpose, version, wrapped_key from keyring.tenant_keys where tenant_id = any($1::uuid[]) order by version',
      values: [tenantIds],
    })
    const broken = new Map<string, unknown>()
    for (const [tenantId, mine] of Map.groupBy(rows, (row) => row.tenant_id)) {
      try {
        const unwrapped = mine.map((row) => ({ ...row, key: unwrap(row) }))
        const index = unwrapped.find((row) => row.purpose === 'index')
        const wrapping = new Map(unwrapped.filter((row) => row.purpose === 'wrap').map((row) => [row.version, row.key]))
        if (index !== undefined && wrapping.size > 0) keys.set(tenantId, { current: Math.max(...wrapping.keys()), wrapping, index: index.key })
      } catch (error) {
        broken.set(tenantId, error)
      }
    }
    return broken
  }

  function unwrap(row: Row): KeyObject {
    try {
      const secret = openWith(master, binding(row), row.wrapped_key)
      const key = createSecretKey(secret)
      secret.fill(0)
      return key
    } catch (cause) {
      if (cause instanceof SealBroken) throw new WrongMasterKey({ cause })
      throw cause
    }
  }

  /** Whoever comes second keeps the first one's keys, also when both come from different processes at the same moment. */
  async function create(tenantIds: readonly string[]): Promise<void> {
    const rows = tenantIds.toSorted().flatMap((tenant_id) =>
      (['wrap', 'index'] as const).map((purpose) => {
        const row = { tenant_id, purpose, version: 1 }
        return { ...row, wrapped_key: sealWith(master, masterVersion, binding(row), randomBytes(32)) }
      }),
    )
    await pool.query(
      `insert into keyring.tenant_keys (tenant_id, purpose, version, wrapped_key)
       select * from unnest($1::uuid[], $2::text[], $3::int4[], $4::bytea[]) on conflict do nothing`,
      [rows.map((row) => row.tenant_id), rows.map((row) => row.purpose), rows.map((row) => row.version), rows.map((row) => row.wrapped_key)],
    )
  }

  const load = shareLoads<string, TenantKeys>(async (tenantIds) => {
    const broken = new Map(await read(tenantIds))
    const missing = tenantIds.filter((tenantId) => !keys.has(tenantId) && !broken.has(tenantId))
    if (missing.length > 0) {
      await create(missing)
      for (const [tenantId, error] of await read(missing)) broken.set(tenantId, error)
    }
    return tenantIds.map((tenantId) => {
      if (broken.has(tenantId)) return { error: broken.get(tenantId) }
      const found = keys.get(tenantId)
      return found === undefined ? { error: new SealBroken(`the keys of the tenant ${tenantId} are incomplete`) } : { value: found }
    })
  })

  return {
    known: (tenantId) => keys.get(tenantId),
    ensure: async (tenantId) => keys.get(tenantId) ?? load(tenantId, tenantId),
    reload: (tenantId) => load(tenantId, tenantId),
  }
}
