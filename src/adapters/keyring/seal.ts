import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from 'node:crypto'
import { SealBroken } from '../../domain/kernel/vault.ts'

const format = 1
const headerLength = 3
const nonceLength = 12
const tagLength = 16
const overhead = headerLength + nonceLength + tagLength

// Random nonces, drawn 1,024 at a time: a call of randomFillSync per nonce costs more than the encryption of a short text.
// Random is safe here because each key belongs to one subject: 2^32 messages of one person stay under the limit of NIST SP 800-38D.
const pool = Buffer.allocUnsafeSlow(nonceLength * 1024)
let drawn = pool.length

function nextNonce(): Buffer {
  if (drawn === pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  drawn += nonceLength
  return pool.subarray(drawn - nonceLength, drawn)
}

/** `[1 byte format][2 bytes version of the key][12 bytes nonce][ciphertext][16 bytes tag]` */
export function sealWith(key: KeyObject, version: number, boundTo: string, plain: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(overhead + plain.byteLength)
  const nonce = nextNonce()
  sealed[0] = format
  sealed.writeUInt16BE(version, 1)
  sealed.set(nonce, headerLength)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(boundTo))
  // GCM is a stream mode: update gives all of the ciphertext and final gives nothing.
  sealed.set(cipher.update(plain), headerLength + nonceLength)
  cipher.final()
  sealed.set(cipher.getAuthTag(), sealed.length - tagLength)
  return sealed
}

/** The version of the key that opens it. */
export function keyVersion(sealed: Buffer): number {
  if (sealed.length < overhead) throw new SealBroken('too short to be sealed data')
  if (sealed[0] !== format) throw new SealBroken(`sealed in the format ${sealed[0]}, which this program does not know`)
  return sealed.readUInt16BE(1)
}

/** @throws SealBroken when the key, the binding or a single bit is another one. */
export function openWith(key: KeyObject, boundTo: string, sealed: Buffer): Buffer {
  keyVersion(sealed)
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(headerLength, headerLength + nonceLength), { authTagLength: tagLength })
  decipher.setAAD(Buffer.from(boundTo))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagLength))
  const plain = decipher.update(sealed.subarray(headerLength + nonceLength, sealed.length - tagLength))
  try {
    decipher.final()
  } catch (cause) {
    plain.fill(0)
    throw new SealBroken('sealed data was changed or moved', { cause })
  }
  return plain
}
