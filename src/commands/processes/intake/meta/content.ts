import type { InboundMessage } from './items.ts'
import { withResponse } from './interactive.ts'
import { metaMedia, metaReferral, type MetaMessage } from './schema.ts'
import { claimOf, timeOf } from './time.ts'

/** Types whose object is Meta's and can be shown as it is. Everything else is shown by its name with the whole message under `raw`. */
const withObject = new Set([
  'text',
  'image',
  'video',
  'audio',
  'document',
  'sticker',
  'location',
  'contacts',
  'interactive',
  'button',
  'order',
  'system',
])
/** Types that may well come without an object: `errors` says what there is to say. */
const withoutObject = new Set(['unsupported', 'media_placeholder'])
const files = new Set(['image', 'video', 'audio', 'document', 'sticker'])

/** Who, when and which: what is told elsewhere and not repeated in `content`. */
const envelope = new Set([
  'id',
  'from',
  'from_user_id',
  'from_parent_user_id',
  'to',
  'to_user_id',
  'to_parent_user_id',
  'timestamp',
  'type',
  'context',
  'history_context',
])
/** What Meta says beside the object of the type and people want to see: kept in `content` under its own name. */
const siblings = ['referral', 'errors', 'identity'] as const

/** A message of the provider in our words. @param raw as it came  @param extra errors that the provider put beside the message instead of into it */
export function messageOf(message: MetaMessage, raw: unknown, receivedAt: Date, extra: readonly unknown[] = []): InboundMessage {
  const content = contentOf(message, extra)
  const replyTo = message.context?.id
  const media = mediaOf(message)
  const entryPoint = entryPointOf(message)
  return {
    providerId: message.id,
    messageType: typeName(message.type),
    content: JSON.stringify(content),
    ...(isWhole(message) && (raw as { type?: unknown }).type === message.type ? {} : { raw: JSON.stringify(raw) }),
    ...(replyTo === undefined ? {} : { replyTo: { providerId: replyTo } }),
    ...(media === undefined ? {} : { media }),
    ...(entryPoint === undefined ? {} : { entryPoint }),
    at: timeOf(message.timestamp, receivedAt),
    ...claimOf(message.timestamp, receivedAt),
  }
}

/** `{"<type>": <Meta's object>}` and what stands beside it. */
export function contentOf(
  message: Pick<MetaMessage, 'type' | 'context'> & Readonly<Record<string, unknown>>,
  extra: readonly unknown[] = [],
): object {
  const { type, context } = message
  const object = objectOf(message)
  const errors = [...(Array.isArray(message['errors']) ? (message['errors'] as unknown[]) : []), ...extra]
  const beside = siblings.flatMap((name) => (message[name] === undefined || message[name] === null ? [] : [[name, message[name]] as const]))
  return {
    ...(object === undefined ? {} : { [type]: type === 'interactive' ? withResponse(object) : object }),
    ...Object.fromEntries(beside),
    ...(errors.length === 0 ? {} : { errors }),
    // The reply alone is told by `reply_to`; this is for forwards and questions about a product.
    ...(context !== undefined && Object.keys(context).some((key) => key !== 'id' && key !== 'from') ? { context } : {}),
  }
}

/** Whether `content` and the facts beside it say all that came; else the whole message is kept. */
function isWhole(message: MetaMessage): boolean {
  const { type } = message
  if (typeName(type) !== type) return false
  if (withObject.has(type) ? objectOf(message) === undefined : !withoutObject.has(type)) return false
  return Object.keys(message).every((key) => key === type || envelope.has(key) || siblings.some((name) => name === key))
}

export function objectOf(message: Readonly<Record<string, unknown>> & { readonly type: string }): object | undefined {
  if (envelope.has(message.type) || !Object.hasOwn(message, message.type)) return undefined
  const object = message[message.type]
  return typeof object === 'object' && object !== null ? object : undefined
}

function mediaOf(message: MetaMessage): InboundMessage['media'] {
  if (!files.has(message.type)) return undefined
  const file = metaMedia.safeParse(objectOf(message)).data
  if (file === undefined) return undefined
  const { id, mime_type: mimeType, sha256 } = file
  return { providerId: id, kind: message.type, ...(mimeType === undefined ? {} : { mimeType }), ...(sha256 === undefined ? {} : { sha256 }) }
}

function entryPointOf(message: MetaMessage): InboundMessage['entryPoint'] {
  // Nearly always. Zod would say what is wrong with nothing, which takes as long as to read a message.
  if (message['referral'] === undefined) return undefined
  const referral = metaReferral.safeParse(message['referral']).data
  if (referral === undefined) return undefined
  const { source_type: sourceType, source_id: sourceId, ctwa_clid: clickId } = referral
  return { sourceType, ...(sourceId === undefined ? {} : { sourceId }), ...(clickId === undefined ? {} : { clickId }) }
}

/** Becomes a column that people filter by. */
export const typeName = (type: string): string => (/^[a-z0-9_]{1,64}$/.test(type) ? type : 'unsupported')
