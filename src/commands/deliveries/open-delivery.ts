import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { deliverySubject } from './receive-delivery.ts'

/** The raw bytes of a stored delivery and their JSON, or why they are not to be had (purged by retention, key destroyed). */
export async function openDelivery(
  vault: Vault,
  { id, stream, attachment }: RecordedEvent,
): Promise<{ readonly raw: Uint8Array; readonly value: unknown } | { readonly unreadable: string }> {
  if (attachment === undefined) return { unreadable: 'the raw body is no longer kept' }
  const opened = await vault.openBytes({ tenantId: stream.tenantId, subject: deliverySubject, eventId: id, field: 'raw' }, attachment)
  if ('erased' in opened) return { unreadable: 'the raw body was erased' }
  // It was parsed before it was acknowledged, so it parses.
  return {
    raw: opened.bytes,
    value: JSON.parse(Buffer.from(opened.bytes.buffer, opened.bytes.byteOffset, opened.bytes.byteLength).toString('utf8')) as unknown,
  }
}
