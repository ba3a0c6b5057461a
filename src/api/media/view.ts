import type { z } from 'zod'
import { mediaIdOf, subjectOf } from '../../domain/media/media.ts'
import { isMediaKind } from '../../domain/media/rules.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getManyMedia, type MediaView } from '../../projections/media/queries.ts'
import type { Opener } from '../messages/opening.ts'
import type { MessageBody } from '../messages/schema.ts'
import type { MediaLinks } from './links.ts'
import type { MediaBody, storedMedia } from './schema.ts'

export type MediaViewing = { readonly reader: TenantQueries; readonly open: Opener; readonly links: MediaLinks }

/** The name that a file came with; undefined when it had none or it was erased. */
export async function filenameOf(tenantId: string, row: MediaView, open: Opener): Promise<string | undefined> {
  if (row.filename === null || row.filenameEventId === null) return undefined
  const context = { tenantId, subject: subjectOf(row.id, row.contactId), eventId: row.filenameEventId, field: 'filename' }
  return (await open(context, row.filename)) ?? undefined
}

/** A file as clients see it, with links that begin to end now. */
async function mediaBody(tenantId: string, row: MediaView, { open, links }: Pick<MediaViewing, 'open' | 'links'>): Promise<MediaBody> {
  const linked = { tenantId, mediaId: row.id }
  const [filename, url, thumbnail] = await Promise.all([
    filenameOf(tenantId, row, open),
    row.storageKey === null ? undefined : links.linkTo({ ...linked, part: 'file' }),
    row.thumbnailKey === null ? undefined : links.linkTo({ ...linked, part: 'thumbnail' }),
  ])
  return {
    id: row.id,
    ...(row.mimeType === null ? {} : { mime_type: row.mimeType }),
    ...(row.size === null ? {} : { size: Number(row.size) }),
    ...(row.sha256 === null ? {} : { sha256: row.sha256 }),
    ...(filename === undefined ? {} : { filename }),
    state: row.state,
    ...(url === undefined ? {} : { url }),
    ...(thumbnail === undefined ? {} : { thumbnail_url: thumbnail }),
    ...(row.width === null ? {} : { width: row.width }),
    ...(row.height === null ? {} : { height: row.height }),
  }
}

/** A file that came with a message, as the feed tells it; undefined for one that was uploaded, of which nobody needs to hear. */
export type RenderStored = (tenantId: string, row: MediaView) => Promise<z.infer<typeof storedMedia> | undefined>

export const createRenderStored =
  (viewing: Pick<MediaViewing, 'open' | 'links'>): RenderStored =>
  async (tenantId, row) => {
    const { id, messageId, conversationId } = row
    if (messageId === null || conversationId === null) return undefined
    return { id, message_id: messageId, conversation_id: conversationId, media: await mediaBody(tenantId, row, viewing) }
  }

/** Puts the files of messages into them: one query for a whole page. */
export type ShowMedia = (tenantId: string, messages: readonly MessageBody[]) => Promise<MessageBody[]>

export function createShowMedia(viewing: MediaViewing): ShowMedia {
  return async (tenantId, messages) => {
    const wanted = new Map(messages.map((message) => [message, referenced(tenantId, message)]))
    const ids = [...wanted.values()].flatMap((one) => (one === undefined ? [] : [one.id]))
    const rows = new Map((await getManyMedia(viewing.reader, tenantId, [...new Set(ids)])).map((row) => [row.id, row]))
    return Promise.all(
      messages.map(async (message) => {
        const { media: _described, ...rest } = message
        const reference = wanted.get(message)
        if (reference === undefined) return rest
        const row = rows.get(reference.id)
        if (row !== undefined) {
          const body = await mediaBody(tenantId, row, viewing)
          return { ...rest, media: { ...body, ...(reference.filename === undefined ? {} : { filename: reference.filename }) } }
        }
        return reference.toCome ? { ...rest, media: pending(reference) } : rest
      }),
    )
  }
}

type Reference = {
  readonly id: string
  /** The provider's file, which we shall fetch: it is on its way even when nothing is known of it yet. */
  readonly toCome: boolean
  readonly filename?: string
  readonly mimeType?: string
  readonly sha256?: string
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** Which file a message is about: one that came with it from outside, or one of ours that it names. */
function referenced(tenantId: string, { id, type, content, media }: MessageBody): Reference | undefined {
  const file = isMediaKind(type) ? (content?.[type] as Readonly<Record<string, unknown>> | null | undefined) : undefined
  if (file === null || file === undefined) return undefined
  const given = text(file['id'])
  // A message that we sent names its file; one from outside brought it, also when an edit of its caption no longer says so.
  if (media === undefined) return given !== undefined && uuid.test(given) ? { id: given, toCome: false } : undefined
  const described = { filename: text(file['filename']), mimeType: text(file['mime_type']), sha256: hexOf(text(file['sha256'])) }
  const known = Object.fromEntries(Object.entries(described).filter(([, value]) => value !== undefined))
  return { id: mediaIdOf(tenantId, id), toCome: given !== undefined, ...known }
}

function pending({ id, filename, mimeType, sha256 }: Reference): MediaBody {
  return {
    id,
    ...(mimeType === undefined ? {} : { mime_type: mimeType }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(filename === undefined ? {} : { filename }),
    state: 'pending',
  }
}

/** The provider says it in base64, we in hex. */
function hexOf(given: string | undefined): string | undefined {
  if (given === undefined || /^[0-9a-f]{64}$/i.test(given)) return given?.toLowerCase()
  const bytes = Buffer.from(given, 'base64')
  return bytes.length === 32 ? bytes.toString('hex') : undefined
}
