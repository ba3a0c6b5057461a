import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import { SealBroken, type SealContext, type Vault } from '../../domain/kernel/vault.ts'
import { masterKeyOf } from './master-key.ts'
import { keyVersion, openWith, sealWith } from './seal.ts'
import { loaded, shareLoads, type Loaded } from './share-loads.ts'
import { proposeSubjectKeys, readSubjectKeys, type StoredKey, type SubjectKeyId } from './subject-keys.ts'
import { createTenantKeyring } from './tenant-keys.ts'

/** Tenant, event and field hold no NUL, so the subject at the end makes the text unambiguous. */
const dataBinding = ({ tenantId, subject, eventId, field }: SealContext): string => `data\0${tenantId}\0${eventId}\0${field}\0${subject}`
const keyBinding = ({ tenantId, subject, version }: SubjectKeyId): string => `subject-key\0${tenantId}\0${version}\0${subject}`
const nameOf = (tenantId: string, subject: string): string => `${tenantId}/${subject}`

type Versioned = { readonly version: number; readonly key: KeyObject }
/** `lookedUp`: by the clock of this process, in milliseconds. */
type Newest = Versioned & { readonly lookedUp: number }

/** For so long a process goes on with a key that another process has destroyed meanwhile. A look-up costs a statement that all who wait share. */
const trustedMs = 60_000

/**
 * A subject is UNKNOWN (nothing in memory) → ENSURED (its newest key is in `newest`, durable in PostgreSQL) → DOUBTED a minute later: `ensure` and `open`
 * look again whether the key is still there; or forgotten by the LRU, which makes it UNKNOWN.
 * Invariant: a key is used to seal only after the commit that stored it, two processes that ensure one subject end with one key, and no process opens
 * anything with a key that was destroyed more than a minute ago.
 *
 * `pool` connects as recado_worker. Await `checkMasterKey` before the first use. `cacheSize` bounds the keys in memory;
 * the keys of one page of work must fit, since `seal` cannot load.
 */
export function createVault({
  pool,
  masterKey,
  cacheSize = 30_000,
  now = () => performance.now(),
}: {
  pool: pg.Pool
  masterKey: Uint8Array
  cacheSize?: number
  now?: () => number
}): Vault {
  const tenants = createTenantKeyring({ pool, master: masterKeyOf(masterKey) })
  const newest = new LRUCache<string, Newest>({ max: cacheSize })
  const older = new LRUCache<string, { readonly key: KeyObject; readonly lookedUp: number }>({ max: Math.ceil(cacheSize / 10) })
  const trusted = <Known extends { readonly lookedUp: number }>(known: Known | undefined): Known | undefined =>
    known !== undefined && now() - known.lookedUp < trustedMs ? known : undefined

  async function unwrap(stored: StoredKey & { wrapped: Buffer }): Promise<KeyObject> {
    const version = keyVersion(stored.wrapped)
    const wrapping = (await tenants.ensure(stored.tenantId)).wrapping.get(version) ?? (await tenants.reload(stored.tenantId)).wrapping.get(version)
    if (wrapping === undefined) throw new SealBroken(`the tenant ${stored.tenantId} has no key of version ${version}`)
    return secretKey(openWith(wrapping, keyBinding(stored), stored.wrapped))
  }

  /** All subjects get their newest key, new ones a new key; one statement, a second one only for those that another process touched meanwhile. */
  const create = shareLoads<{ tenantId: string; subject: string }, Versioned>(async (subjects) => {
    const lookedUp = now()
    const found = new Map<string, Loaded<Versioned>>()
    const owners = [...new Set(subjects.map(({ tenantId }) => tenantId))]
    const broken = new Map<string, unknown>()
    await Promise.all(owners.map((tenantId) => tenants.ensure(tenantId).catch((error: unknown) => broken.set(tenantId, error))))
    for (const { tenantId, subject } of subjects) if (broken.has(tenantId)) found.set(nameOf(tenantId, subject), { error: broken.get(tenantId) })
    let missing = subjects.filter(({ tenantId }) => !broken.has(tenantId)).map((subject) => ({ ...subject, version: 1 }))
    for (let tries = 0; missing.length > 0; tries++) {
      if (tries === 10) {
        const error = new Error(`${missing.length} subject keys were made and destroyed by others under every one of ${tries} tries`)
        for (const { tenantId, subject } of missing) found.set(nameOf(tenantId, subject), { error })
        break
      }
      const proposals = missing.map((id) => {
        const secret = randomBytes(32)
        const tenant = tenantKeys(id.tenantId)
        const wrapped = sealWith(wrappingKey(tenant), tenant.current, keyBinding(id), secret)
        return { ...id, wrapped, key: secretKey(secret) }
      })
      const stored = new Map((await proposeSubjectKeys(pool, proposals)).map((row) => [nameOf(row.tenantId, row.subject), row]))
      missing = []
      for (const { wrapped: _, key, ...id } of proposals) {
        const name = nameOf(id.tenantId, id.subject)
        const row = stored.get(name)
        if (row?.created === true) found.set(name, { value: { version: row.version, key } })
        else if (row === undefined) missing.push(id)
        else if (row.wrapped === null) missing.push({ ...id, version: row.version + 1 })
        else {
          const { wrapped } = row
          found.set(name, await loaded(async () => ({ version: row.version, key: await unwrap({ ...row, wrapped }) })))
        }
      }
    }
    for (const [name, made] of found) if ('value' in made) newest.set(name, { ...made.value, lookedUp })
    return subjects.map(({ tenantId, subject }) => found.get(nameOf(tenantId, subject)) as Loaded<Versioned>)
  })

  const load = shareLoads<SubjectKeyId, KeyObject | 'destroyed' | undefined>(async (ids) => {
    const lookedUp = now()
    const rows = new Map((await readSubjectKeys(pool, ids)).map((row) => [`${row.version}/${nameOf(row.tenantId, row.subject)}`, row]))
    return Promise.all(
      ids.map(({ tenantId, subject, version }) =>
        loaded(async () => {
          const row = rows.get(`${version}/${nameOf(tenantId, subject)}`)
          if (row === undefined) return undefined
          if (row.wrapped === null) return 'destroyed' as const
          const key = await unwrap({ ...row, wrapped: row.wrapped })
          older.set(`${version}/${nameOf(tenantId, subject)}`, { key, lookedUp })
          return key
        }),
      ),
    )
  })

  function tenantKeys(tenantId: string) {
    const keys = tenants.known(tenantId)
    if (keys === undefined) throw new Error(`ensure was not awaited for the tenant ${tenantId}`)
    return keys
  }

  function sealBytes(context: SealContext, bytes: Uint8Array): Buffer {
    const mine = newest.get(nameOf(context.tenantId, context.subject))
    if (mine === undefined) throw new Error(`ensure was not awaited for the subject ${context.subject}`)
    return sealWith(mine.key, mine.version, dataBinding(context), bytes)
  }

  /** Synchronous when the key is in memory: a page of an inbox opens hundreds. */
  function keyFor({ tenantId, subject }: SealContext, sealed: Buffer): KeyObject | Promise<KeyObject | 'destroyed' | undefined> {
    const version = keyVersion(sealed)
    const name = nameOf(tenantId, subject)
    const mine = trusted(newest.get(name))
    if (mine?.version === version) return mine.key
    return trusted(older.get(`${version}/${name}`))?.key ?? load(`${version}/${name}`, { tenantId, subject, version })
  }

  async function openBytes(context: SealContext, bytes: Uint8Array): Promise<{ bytes: Buffer } | { erased: true }> {
    const sealed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const key = await keyFor(context, sealed)
    if (key === 'destroyed') return { erased: true }
    if (key === undefined) throw new SealBroken('sealed data names a key that never existed')
    return { bytes: openWith(key, dataBinding(context), sealed) }
  }

  return {
    async ensure(tenantId, subjects) {
      if (tenants.known(tenantId) === undefined) await tenants.ensure(tenantId)
      const unknown = subjects.filter((subject) => trusted(newest.get(nameOf(tenantId, subject))) === undefined)
      if (unknown.length > 0) await Promise.all(unknown.map((subject) => create(nameOf(tenantId, subject), { tenantId, subject })))
    },
    has: (tenantId, subject) => tenants.known(tenantId) !== undefined && trusted(newest.get(nameOf(tenantId, subject))) !== undefined,
    seal: (context, text) => sealBytes(context, Buffer.from(text)).toString('base64'),
    sealBytes,
    async open(context, sealed) {
      const opened = await openBytes(context, Buffer.from(sealed, 'base64'))
      return 'erased' in opened ? opened : { text: opened.bytes.toString() }
    },
    openBytes,
    blindIndex: (tenantId, kind, value) => createHmac('sha256', tenantKeys(tenantId).index).update(`${kind}\0${value}`).digest('hex').slice(0, 32),
  }
}

function wrappingKey({ wrapping, current }: { wrapping: ReadonlyMap<number, KeyObject>; current: number }): KeyObject {
  const key = wrapping.get(current)
  if (key === undefined) throw new Error('the current wrapping key is one of those at hand')
  return key
}

/** The bytes leave the JavaScript heap: a heap dump shows no key. */
function secretKey(secret: Buffer): KeyObject {
  const key = createSecretKey(secret)
  secret.fill(0)
  return key
}
