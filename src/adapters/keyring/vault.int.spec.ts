import { randomBytes, randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SealBroken } from '../../domain/kernel/vault.ts'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPool, type DatabaseRole } from '../../postgres/pool.ts'
import { checkMasterKey, WrongMasterKey } from './master-key.ts'
import { destroySubjectKeys } from './subject-keys.ts'
import { createVault } from './vault.ts'

const masterKey = randomBytes(32)
const tenantId = randomUUID()
let database: TestDatabase
let pool: Pool
let openPools: Pool[] = []

const poolAs = (role: DatabaseRole, name: string): Pool => {
  const made = createPool({ url: database.url, role, max: 4, name })
  openPools.push(made)
  return made
}
/** A process of its own, as far as the keyring can tell: nothing in memory. */
const anotherVault = (key = masterKey) => createVault({ pool, masterKey: key })
const context = (subject: string, field = 'content') => ({ tenantId, subject, eventId: randomUUID(), field })

beforeAll(async () => {
  database = await freshDatabase()
  pool = poolAs('recado_worker', 'vault-spec')
  await checkMasterKey({ pool, masterKey })
})
afterAll(async () => {
  await Promise.all(openPools.map((one) => one.end()))
  openPools = []
  await database.drop()
})

describe('the vault', () => {
  it('opens in another process what was sealed in this one', async () => {
    const vault = anotherVault()
    await vault.ensure(tenantId, ['ana'])
    const at = context('ana')
    const sealed = vault.seal(at, 'Hola, soy Ana 👋')
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('Ana')
    expect(await anotherVault().open(at, sealed)).toEqual({ text: 'Hola, soy Ana 👋' })
    const bytes = vault.sealBytes(at, Uint8Array.of(0, 255, 1))
    expect(await anotherVault().openBytes(at, bytes)).toEqual({ bytes: Buffer.from([0, 255, 1]) })
  })

  it('opens nothing that was moved to another tenant, subject, event or field, or was changed', async () => {
    const vault = anotherVault()
    const other = randomUUID()
    await vault.ensure(tenantId, ['ana', 'berta'])
    await vault.ensure(other, ['ana'])
    const at = context('ana')
    const sealed = vault.seal(at, 'Hola')
    const changed = Buffer.from(sealed, 'base64')
    changed[20] = (changed[20] ?? 0) ^ 1
    for (const elsewhere of [{ tenantId: other }, { subject: 'berta' }, { eventId: randomUUID() }, { field: 'name' }]) {
      await expect(vault.open({ ...at, ...elsewhere }, sealed), JSON.stringify(elsewhere)).rejects.toThrow(SealBroken)
    }
    await expect(vault.open(at, changed.toString('base64'))).rejects.toThrow(SealBroken)
    await expect(vault.open(at, 'no seal')).rejects.toThrow(SealBroken)
    await expect(vault.open({ ...at, subject: 'nobody' }, sealed)).rejects.toThrow('a key that never existed')
  })

  it('refuses to seal for a subject whose key is not durable yet', async () => {
    const vault = anotherVault()
    expect(() => vault.seal(context('carla'), 'Hola')).toThrow('ensure was not awaited')
    expect(() => vault.blindIndex(tenantId, 'wa_id', '549111')).toThrow('ensure was not awaited')
  })

  it('gives one key to a subject that many callers in several processes ensure at the same moment', async () => {
    const tenants = [randomUUID(), randomUUID()]
    const subjects = Array.from({ length: 300 }, (_, index) => `contact-${index}`)
    const vaults = Array.from({ length: 4 }, () => createVault({ pool: poolAs('recado_worker', 'vault-race'), masterKey }))
    await Promise.all(
      vaults.flatMap((vault, nth) =>
        tenants.flatMap((tenant) => {
          const mine = nth % 2 === 0 ? subjects : subjects.toReversed()
          return [vault.ensure(tenant, mine), ...mine.map((subject) => vault.ensure(tenant, [subject]))]
        }),
      ),
    )
    const { rows } = await pool.query(
      'select count(*)::int as keys, max(version) as version from keyring.subject_keys where tenant_id = any($1::uuid[])',
      [tenants],
    )
    expect(rows).toEqual([{ keys: 600, version: 1 }])
    for (const tenant of tenants) {
      for (const subject of subjects) {
        const at = { tenantId: tenant, subject, eventId: randomUUID(), field: 'content' }
        const sealed = vaults[0]?.seal(at, subject) ?? ''
        for (const vault of vaults) expect(await vault.open(at, sealed)).toEqual({ text: subject })
      }
    }
    expect(new Set(vaults.map((vault) => vault.blindIndex(tenants[0] ?? '', 'wa_id', '549111'))).size).toBe(1)
  })

  it('makes the keys of hundreds of new contacts in one commit', async () => {
    const vault = anotherVault()
    const tenant = randomUUID()
    await vault.ensure(tenant, [])
    await Promise.all(Array.from({ length: 500 }, (_, index) => vault.ensure(tenant, [`new-${index}`])))
    const { rows } = await pool.query(
      'select count(distinct xmin::text)::int as commits, count(*)::int as keys from keyring.subject_keys where tenant_id = $1',
      [tenant],
    )
    expect(rows).toEqual([{ commits: 1, keys: 500 }])
  })

  it('answers "erased" for what a destroyed key sealed, and gives a new key to who comes back', async () => {
    const vault = anotherVault()
    await vault.ensure(tenantId, ['diana'])
    const at = context('diana')
    const sealed = vault.seal(at, 'borrame')
    const bytes = vault.sealBytes(at, Buffer.from('borrame'))
    await pool.query(
      `update keyring.subject_keys set wrapped_key = null, destroyed_at = clock_timestamp() where tenant_id = $1 and subject = 'diana'`,
      [tenantId],
    )
    const later = anotherVault()
    expect(await later.open(at, sealed)).toEqual({ erased: true })
    expect(await later.openBytes(at, bytes)).toEqual({ erased: true })
    await later.ensure(tenantId, ['diana'])
    const again = later.seal(at, 'volví')
    expect(Buffer.from(again, 'base64').readUInt16BE(1)).toBe(2)
    expect(await anotherVault().open(at, again)).toEqual({ text: 'volví' })
    expect(await later.open(at, sealed)).toEqual({ erased: true })
  })

  it('stops opening and sealing with a key that another process has destroyed, a minute later at most', async () => {
    let minutes = 0
    const vault = createVault({ pool, masterKey, now: () => minutes * 60_000 })
    await vault.ensure(tenantId, ['elsa', 'still there'])
    const [at, kept] = [context('elsa'), context('still there')]
    const [sealed, alsoSealed] = [vault.seal(at, 'borrame'), vault.seal(kept, 'queda')]
    expect(await vault.open(at, sealed)).toEqual({ text: 'borrame' })
    expect(await destroySubjectKeys(pool, [{ tenantId, subject: 'elsa' }])).toBe(1)
    minutes = 1
    expect(await vault.open(at, sealed)).toEqual({ erased: true })
    expect(await vault.open(kept, alsoSealed)).toEqual({ text: 'queda' })
    expect(vault.has(tenantId, 'elsa')).toBe(false)
    await vault.ensure(tenantId, ['elsa'])
    const again = vault.seal(at, 'volví')
    expect(await anotherVault().open(at, again)).toEqual({ text: 'volví' })
    expect(await vault.open(at, sealed)).toEqual({ erased: true })
    // With an older version of a key that is kept in memory, the same.
    const third = createVault({ pool, masterKey, now: () => minutes * 60_000 })
    expect(await third.open(at, again)).toEqual({ text: 'volví' })
    await destroySubjectKeys(pool, [{ tenantId, subject: 'elsa' }])
    minutes = 2
    expect(await third.open(at, again)).toEqual({ erased: true })
    expect(await destroySubjectKeys(pool, [{ tenantId, subject: 'elsa' }])).toBe(0)
  })

  it('finds the same value by the same blind index in every process, and another one per tenant and kind', async () => {
    const other = randomUUID()
    const [one, two] = [anotherVault(), anotherVault()]
    await Promise.all([one.ensure(tenantId, []), two.ensure(tenantId, []), one.ensure(other, [])])
    const index = one.blindIndex(tenantId, 'wa_id', '5491122334455')
    expect(index).toMatch(/^[0-9a-f]{32}$/)
    expect(two.blindIndex(tenantId, 'wa_id', '5491122334455')).toBe(index)
    expect(one.blindIndex(other, 'wa_id', '5491122334455')).not.toBe(index)
    expect(one.blindIndex(tenantId, 'email', '5491122334455')).not.toBe(index)
  })

  it('opens with keys that have left its memory', async () => {
    const vault = createVault({ pool, masterKey, cacheSize: 2 })
    const subjects = ['e1', 'e2', 'e3', 'e4']
    const sealed: { at: ReturnType<typeof context>; text: string }[] = []
    for (const subject of subjects) {
      await vault.ensure(tenantId, [subject])
      const at = context(subject)
      sealed.push({ at, text: vault.seal(at, subject) })
    }
    expect(() => vault.seal(context('e1'), 'Hola')).toThrow('ensure was not awaited')
    expect(await Promise.all(sealed.map(({ at, text }) => vault.open(at, text)))).toEqual(subjects.map((text) => ({ text })))
  })

  it('fails the callers of a failed ensure and works again afterwards', async () => {
    const vault = anotherVault()
    const tenant = randomUUID()
    await vault.ensure(tenant, [])
    const owner = poolAs('owner', 'vault-outage')
    await owner.query('alter table keyring.subject_keys rename to away')
    await expect(vault.ensure(tenant, ['fina'])).rejects.toThrow()
    await owner.query('alter table keyring.away rename to subject_keys')
    await vault.ensure(tenant, ['fina'])
    expect(vault.seal({ tenantId: tenant, subject: 'fina', eventId: randomUUID(), field: 'name' }, 'Fina')).not.toBe('')
  })
})

describe('the master key', () => {
  it('is recognised on the next start', async () => {
    await expect(checkMasterKey({ pool, masterKey })).resolves.toBeUndefined()
  })

  it('is refused in plain words when it is another one than the data was sealed with', async () => {
    await expect(checkMasterKey({ pool, masterKey: randomBytes(32) })).rejects.toThrow(WrongMasterKey)
    await expect(checkMasterKey({ pool, masterKey: randomBytes(32) })).rejects.toThrow('another RECADO_MASTER_KEY')
  })

  it('opens nothing when the check was skipped, and says why', async () => {
    await anotherVault().ensure(tenantId, ['gina'])
    await expect(anotherVault(randomBytes(32)).ensure(tenantId, ['gina'])).rejects.toThrow(WrongMasterKey)
  })

  it('must have 32 bytes', () => {
    expect(() => anotherVault(randomBytes(16))).toThrow('must have 32 bytes')
  })
})

describe('the wall around the keys', () => {
  it('shows the api role the keys of its own tenant only, and lets it change none', async () => {
    const vault = anotherVault()
    const other = randomUUID()
    await Promise.all([vault.ensure(tenantId, ['hana']), vault.ensure(other, ['hana'])])
    const api = poolAs('recado_api', 'vault-api')
    const client = await api.connect()
    try {
      const seen = async () =>
        (
          await client.query<{ tenant_id: string }>(
            'select distinct tenant_id from keyring.subject_keys union select tenant_id from keyring.tenant_keys',
          )
        ).rows
      expect(await seen()).toEqual([])
      await client.query(`select set_config('recado.tenant', $1, false)`, [other])
      expect(await seen()).toEqual([{ tenant_id: other }])
      await expect(client.query('update keyring.subject_keys set subject = subject')).rejects.toThrow('permission denied')
      await expect(client.query('select * from keyring.master_check')).rejects.toThrow('permission denied')
    } finally {
      client.release(true)
    }
  })
})
