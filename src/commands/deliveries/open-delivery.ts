import type { RecordedEvent } from '../../domain/kernel/envelope.ts'

/** The raw bytes of a stored delivery and their JSON, or why they are not to be had (purged by retention, key destroyed). */
export function openDelivery({
  attachment,
  unreadable,
}: RecordedEvent): { readonly raw: Uint8Array; readonly value: unknown } | { readonly unreadable: string } {
  if (unreadable !== undefined) return { unreadable: `the raw body cannot be read any more: ${unreadable}` }
  if (attachment === undefined) return { unreadable: 'the raw body is no longer kept' }
  try {
    const text = Buffer.from(attachment.buffer, attachment.byteOffset, attachment.byteLength).toString('utf8')
    return { raw: attachment, value: JSON.parse(text) as unknown }
  } catch (error) {
    // It was parsed before it was acknowledged; whatever happened to it since, it must not hold up the ones behind it.
    if (error instanceof SyntaxError) return { unreadable: `the raw body cannot be read any more: ${error.message}` }
    throw error
  }
}
