import { hash, timingSafeEqual } from 'node:crypto'
import { hashOfKey, looksLikeKey } from '../commands/tenants/secret-key.ts'
import type { Config } from '../config.ts'
import type { Actor } from '../domain/kernel/envelope.ts'
import { fromStored } from '../domain/kernel/codec.ts'
import { streamRef } from '../domain/kernel/stream.ts'
import type { TenantEvent } from '../domain/tenant/events.ts'
import { operatorKey } from '../keys.ts'
import { CommandRefused } from './refused.ts'
import type { Tools } from './tools.ts'

/** Who acts: the operator in every organisation, a key in its own. */
export type Credential = { readonly actor: Actor; readonly tenantId: string | undefined }

const revealing = 'events:reveal'

/** Whose RECADO_API_KEY it is, if it may open personal fields. @throws CommandRefused */
export async function mayReveal(
  config: Config,
  { workerPool, store }: Pick<Tools, 'workerPool' | 'store'>,
  key: string | undefined,
): Promise<Credential> {
  if (key === undefined || key === '')
    throw new CommandRefused(`Personal fields are opened for a credential that may: set RECADO_API_KEY to a key with the scope ${revealing}.`)
  const digest = (text: string): Buffer => hash('sha256', text, 'buffer')
  if (timingSafeEqual(digest(key), digest(operatorKey(config).key))) return { actor: { kind: 'operator', id: 'operator' }, tenantId: undefined }
  const [, keyId = ''] = /^rk_([0-9a-f-]{36})_/.exec(key) ?? []
  const { rows } = looksLikeKey(key)
    ? await workerPool.query<{ tenant_id: string }>('select tenant_id from rm_api_keys.api_keys where id = $1', [keyId])
    : { rows: [] }
  const tenantId = rows[0]?.tenant_id
  if (tenantId === undefined) throw new CommandRefused('RECADO_API_KEY is not valid.')
  // The read model says whose it is; what counts is the log.
  let found: { scopes: readonly string[]; name: string } | undefined
  for await (const stored of store.readStream(streamRef('tenant', tenantId, tenantId))) {
    const event = fromStored<TenantEvent>(stored)
    if (event.type === 'ApiKeyIssued' && event.keyId === keyId && event.hash === hashOfKey(key)) found = event
    if (event.type === 'ApiKeyRevoked' && event.keyId === keyId) found = undefined
  }
  if (found === undefined) throw new CommandRefused('RECADO_API_KEY is not valid.')
  if (!found.scopes.includes('*') && !found.scopes.includes(revealing)) throw new CommandRefused(`RECADO_API_KEY lacks the scope ${revealing}.`)
  return { actor: { kind: 'api', id: keyId, name: found.name }, tenantId }
}
