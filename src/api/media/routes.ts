import { z } from 'zod'
import { openSealed } from '../../commands/media/sealed-file.ts'
import type { UploadMedia } from '../../commands/media/upload-media.ts'
import type { MediaStore } from '../../commands/ports/media-store.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { subjectOf } from '../../domain/media/media.ts'
import { largestFile } from '../../domain/media/rules.ts'
import { getMedia, type MediaView } from '../../projections/media/queries.ts'
import { created, sent } from '../http/call.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import type { Upload } from '../http/upload.ts'
import type { Part } from './links.ts'
import { mediaSchema } from './schema.ts'
import { serve } from './serve.ts'
import { filenameOf, type MediaViewing } from './view.ts'

export type MediaRoutes = MediaViewing & {
  readonly upload: UploadMedia
  readonly store: Pick<MediaStore, 'read'>
  readonly vault: Pick<Vault, 'openBytes'>
}

const id = z.string().min(1).max(100)

/** Files: in, and out again by short-lived links. */
export function mediaRoutes({ reader, open, links, upload, store, vault }: MediaRoutes): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/media',
      tag: 'Media',
      summary: 'Upload a file, to be sent by its id',
      description:
        'Field `file` of a multipart body. What the file is is read from its bytes; it must be of a type and size that WhatsApp takes. The id goes where Meta\'s would: `{"image": {"id": …}}`.',
      access: 'media:write',
      upload: { maxBytes: largestFile },
      responses: { 201: { description: 'It can be sent', schema: mediaSchema } },
      async handle({ tenantId, req, context }) {
        const { file, filename, mimeType } = req.body as Upload
        const outcome = await upload({ file, filename, mimeType }, context)
        if ('unfit' in outcome) {
          const { code, message } = outcome.unfit
          if (code === 'media_size') throw problem('payload_too_large', message)
          throw problem('invalid_request', { errors: [{ path: 'body.file', code, message }] })
        }
        if ('refused' in outcome) throw problem('idempotency_conflict')
        const { mediaId, stored, position } = outcome
        const linked = { tenantId, mediaId }
        const body = {
          id: mediaId,
          mime_type: stored.mimeType,
          size: stored.size,
          sha256: stored.sha256,
          ...(stored.filename === undefined ? {} : { filename: stored.filename }),
          state: 'stored',
          url: await links.linkTo({ ...linked, part: 'file' }),
          ...(stored.thumbnailKey === undefined ? {} : { thumbnail_url: await links.linkTo({ ...linked, part: 'thumbnail' }) }),
          ...(stored.width === undefined ? {} : { width: stored.width, height: stored.height }),
        }
        return created(body, { position, location: `/v1/media/${mediaId}` })
      },
    }),
    route({
      method: 'get',
      path: '/v1/media/{id}',
      tag: 'Media',
      summary: 'A file: redirects to a link that works for some minutes',
      access: 'media:read',
      params: z.object({ id }),
      query: z.object({ part: z.enum(['file', 'thumbnail']).default('file') }),
      responses: { 302: { description: 'The link; it needs no credential' } },
      problems: ['media_pending', 'media_gone'],
      reads: ['media'],
      async handle({ tenantId, params, query: { part } }) {
        const row = await getMedia(reader, tenantId, params.id)
        if (row === undefined) throw problem('not_found')
        keyOf(row, part)
        return { status: 302, location: await links.linkTo({ tenantId, mediaId: row.id, part }) }
      },
    }),
    route({
      method: 'get',
      path: '/media/{tenant}/{id}/{part}',
      tag: 'Media',
      summary: 'What a link shows',
      description: 'Addresses of this kind are made by the API and end after some minutes. One range may be asked for.',
      access: 'public',
      params: z.object({ tenant: z.uuid(), id, part: z.enum(['file', 'thumbnail']) }),
      query: z.object({ ends: z.coerce.number().int(), signature: z.string().max(200) }),
      responses: { 200: { description: 'The file' }, 206: { description: 'A part of it' }, 304: { description: 'It is the one you have' } },
      problems: ['media_gone', 'not_found'],
      async handle({ params: { tenant: tenantId, id: mediaId, part }, query: { ends, signature }, req, res }): Promise<typeof sent> {
        // The same answer for a link that ended, one that was never made and a file that is not there.
        if (!(await links.isGood({ tenantId, mediaId, part }, ends, signature))) throw problem('not_found', 'The link has ended. Ask for a new one.')
        const row = await getMedia(reader, tenantId, mediaId)
        if (row === undefined) throw problem('not_found')
        const thumbnail = part === 'thumbnail'
        const sealed = {
          tenantId,
          mediaId,
          part,
          subject: subjectOf(mediaId, row.contactId),
          storageKey: keyOf(row, part),
          size: thumbnail ? (row.thumbnailSize ?? 0) : Number(row.size),
        }
        await serve(req, res, {
          mimeType: thumbnail ? 'image/webp' : (row.mimeType ?? 'application/octet-stream'),
          size: sealed.size,
          etag: `"${row.sha256}${thumbnail ? '-small' : ''}"`,
          filename: thumbnail ? undefined : await filenameOf(tenantId, row, open),
          open: (range) => openSealed({ store, vault }, sealed, range),
        })
        return sent
      },
    }),
  ]
}

const gone: Readonly<Record<Exclude<MediaView['state'], 'pending' | 'stored'>, string>> = {
  expired: 'The provider no longer had it when it could be fetched.',
  failed: 'It could not be fetched.',
  erased: 'It was erased.',
}

/** Where that part lies. @throws why there is none */
function keyOf(row: MediaView, part: Part): string {
  if (row.state === 'pending') throw problem('media_pending', { retryAfterSeconds: 2 })
  if (row.state !== 'stored') throw problem('media_gone', gone[row.state])
  const key = part === 'file' ? row.storageKey : row.thumbnailKey
  if (key === null) throw problem('not_found', 'The file has no small picture.')
  return key
}
