import { hash } from 'node:crypto'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

const shape = /^rk_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_[\w-]{43}$/

/** Whether a credential looks like one of our keys: what does not is refused without hashing. */
export const looksLikeKey = (token: string): boolean => shape.test(token)

/** 256 random bits need no slow hash: there is nothing to guess. */
export const hashOfKey = (key: string): string => hash('sha256', key, 'hex')

/**
 * `rk_<key id>_<32 bytes>`. The 32 bytes are an HMAC of the command id under the tenant's secret and not fresh randomness, so that a request repeated
 * after a crash shows the very key whose hash was stored the first time. Nobody without the keyring can compute it, and it is stored nowhere.
 * Await `vault.ensure` for the tenant before.
 */
export function secretKey(
  vault: Pick<Vault, 'blindIndex'>,
  tenantId: string,
  commandId: string,
): { keyId: string; key: string; hash: string; hint: string } {
  const keyId = derivedId('api-key', tenantId, commandId)
  const bytes = Buffer.from(['first', 'second'].map((half) => vault.blindIndex(tenantId, `api-key ${half} half`, commandId)).join(''), 'hex')
  const key = `rk_${keyId}_${bytes.toString('base64url')}`
  return { keyId, key, hash: hashOfKey(key), hint: `…${key.slice(-4)}` }
}
