import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import { deliverySubject } from './receive-delivery.ts'

/** The raw bytes of a stored delivery and their JSON, or why they are not to be had (purged by retention, key destroyed). */
export async function openDelivery(
  vault: Vault,
  { id, stream, attachment }: RecordedEvent,
): Promise<{ readonly raw: Uint8Array; readonly value: unknown } | { readonly unreadable: string }> {
  if (attachment === undefined) return { unreadable: 'the raw body is no longer kept' }
  try {
    const opened = await vault.openBytes({ tenantId: stream.tenantId, subject: deliverySubject, eventId: id, field: 'raw' }, attachment)
    if ('erased' in opened) return { unreadable: 'the raw body was erased' }
    const { buffer, byteOffset, byteLength } = opened.bytes
    return { raw: opened.bytes, value: JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString('utf8')) as unknown }
  } catch (error) {
    // It was parsed before it was acknowledged; whatever happened to it since, it must not hold up the ones behind it.
    if (error instanceof SealBroken || error instanceof SyntaxError) return { unreadable: `the raw body cannot be read any more: ${error.message}` }
    throw error
  }
}
