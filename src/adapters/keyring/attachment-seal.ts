import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { attachmentSubject, type Attached, type AttachmentSeal } from '../../domain/kernel/attachments.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'

/** Not an event's: which ones are in it stands inside. */
const binding = (tenantId: string) => ({ tenantId, subject: attachmentSubject, eventId: 'many', field: 'attachments' }) as const

/** Attachments under the tenant's key of its deliveries. */
export const createAttachmentSeal = (vault: Pick<Vault, 'ensure' | 'has' | 'sealBytes' | 'openBytes'>): AttachmentSeal => ({
  ensure: (tenantId) => vault.ensure(tenantId, [attachmentSubject]),
  has: (tenantId) => vault.has(tenantId, attachmentSubject),
  seal: (tenantId, attached, form) => vault.sealBytes(binding(tenantId), form === 'squeezed' ? squeeze(pack(attached, onBench)) : pack(attached)),
  async open(tenantId, sealed, eventId) {
    try {
      const opened = await vault.openBytes(binding(tenantId), sealed)
      return 'erased' in opened ? 'erased' : unpack(unsqueeze(opened.bytes))
    } catch (error) {
      if (eventId === undefined || !(error instanceof SealBroken)) throw error
      const opened = await vault.openBytes({ tenantId, subject: attachmentSubject, eventId, field: 'raw' }, sealed)
      return 'erased' in opened ? 'erased' : new Map([[eventId, opened.bytes]])
    }
  },
})

/** The same for who opens the vault only when something sealed is wanted. */
export function attachmentsUnder(vault: () => Promise<Vault>): AttachmentSeal {
  let seal: AttachmentSeal | undefined
  const opened = async (): Promise<AttachmentSeal> => (seal ??= createAttachmentSeal(await vault()))
  return {
    ensure: async (tenantId) => (await opened()).ensure(tenantId),
    has: (tenantId) => seal?.has(tenantId) === true,
    seal(tenantId, attached, form) {
      if (seal === undefined) throw new Error(`ensure was not awaited for the tenant ${tenantId}`)
      return seal.seal(tenantId, attached, form)
    },
    open: async (tenantId, sealed, eventId) => (await opened()).open(tenantId, sealed, eventId),
  }
}

const countLength = 4
const idLength = 16
const entryLength = idLength + 4

/** What is smaller fits into a row of PostgreSQL as it is. */
const worthSqueezing = 2_000
const squeezed = 1
const squeezedHeader = 5
/** Deliveries resemble each other: the quickest way leaves a fifth to a tenth of them, the slower ones hardly less. */
const quickest = { [constants.BROTLI_PARAM_QUALITY]: 0 }

/**
 * Where attachments are laid out to be squeezed or sealed, one bundle at a time: who gets this must be done with it when it answers. A new buffer of
 * 100 KB for every commit costs 0.6 µs a delivery.
 */
function onBench(length: number): Buffer {
  if (length > benchBytes) return Buffer.allocUnsafe(length)
  bench ??= Buffer.allocUnsafeSlow(benchBytes)
  return bench.subarray(0, length)
}
let bench: Buffer | undefined
const benchBytes = 288 * 1024

/** `[1 byte 1][4 bytes length][Brotli]`, or the bytes as they are: those begin with a count below 2^24, hence with 0. */
export function squeeze(packed: Buffer): Buffer {
  if (packed.length < worthSqueezing) return packed
  // Room for what is expected, or zlib makes 16 KB of it however little there is.
  const small = brotliCompressSync(packed, { params: quickest, chunkSize: packed.length >> 1 })
  if (small.length + squeezedHeader >= packed.length) return packed
  const header = Buffer.allocUnsafe(squeezedHeader)
  header[0] = squeezed
  header.writeUInt32BE(packed.length, 1)
  return Buffer.concat([header, small])
}

/** @throws SealBroken */
export function unsqueeze(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== squeezed) return bytes
  const length = bytes.byteLength < squeezedHeader ? 0 : Buffer.from(bytes.buffer, bytes.byteOffset, squeezedHeader).readUInt32BE(1)
  try {
    const packed = brotliDecompressSync(bytes.subarray(squeezedHeader), {
      chunkSize: Math.max(minChunk, length),
      maxOutputLength: Math.max(1, length),
    })
    if (packed.length === length) return packed
  } catch (cause) {
    throw new SealBroken('squeezed attachments do not come out again', { cause })
  }
  throw new SealBroken('squeezed attachments are of another length')
}

const minChunk = 64

/** `[4 bytes count]`, per event `[16 bytes id][4 bytes length]`, then the bytes one behind the other. Big endian. */
export function pack(attached: readonly Attached[], room = (length: number): Buffer => Buffer.allocUnsafe(length)): Buffer {
  let length = countLength + attached.length * entryLength
  for (const { bytes } of attached) length += bytes.byteLength
  const packed = room(length)
  packed.writeUInt32BE(attached.length, 0)
  let entry = countLength
  let at = countLength + attached.length * entryLength
  for (const { eventId, bytes } of attached) {
    packed.write(eventId.replaceAll('-', ''), entry, idLength, 'hex')
    packed.writeUInt32BE(bytes.byteLength, entry + idLength)
    packed.set(bytes, at)
    entry += entryLength
    at += bytes.byteLength
  }
  return packed
}

/** Views into the same bytes, by event id. @throws SealBroken when the lengths do not add up. */
export function unpack(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = packed.length < countLength ? -1 : packed.readUInt32BE(0)
  let at = countLength + count * entryLength
  if (count < 0 || at > packed.length) throw new SealBroken('these are no attachments')
  const found = new Map<string, Uint8Array>()
  for (let n = 0; n < count; n++) {
    const entry = countLength + n * entryLength
    const length = packed.readUInt32BE(entry + idLength)
    if (at + length > packed.length) throw new SealBroken('an attachment is cut off')
    found.set(uuidOf(packed.toString('hex', entry, entry + idLength)), packed.subarray(at, (at += length)))
  }
  return found
}

const uuidOf = (hex: string): string => `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
