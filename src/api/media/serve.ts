import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { OpenedFile } from '../../commands/media/sealed-file.ts'
import type { ByteRange } from '../../commands/ports/media-store.ts'
import type { HttpRequest, HttpResponse } from '../http/principal.ts'
import { problem } from '../http/problem.ts'

export type Served = {
  readonly mimeType: string
  readonly size: number
  readonly etag: string
  readonly filename: string | undefined
  readonly open: (range: ByteRange) => Promise<OpenedFile>
}

/** What a browser may show in a page of ours: nothing that can hold a script. PDF is not among them, its viewers do not run in a sandbox. */
const shown = /^(?:image\/(?:jpeg|png|webp|gif|avif)|audio\/[a-z0-9.+-]+|video\/[a-z0-9.+-]+)$/

/** `bytes=0-99`, `bytes=100-`, `bytes=-5`; undefined for whatever else, which means the whole (RFC 9110, 14.2). */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const parts = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (parts === null || (parts[1] === '' && parts[2] === '')) return undefined
  const [first, last] = [parts[1] ?? '', parts[2] ?? '']
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < from) return undefined
  return from >= size || (first === '' && Number(last) === 0) ? 'unsatisfiable' : { from, to }
}

/** RFC 6266: a plain name for old clients, and the real one in UTF-8. */
export function disposition(mimeType: string, filename: string | undefined): string {
  const how = shown.test(mimeType) ? 'inline' : 'attachment'
  const safe = filename?.replaceAll(/[\p{Cc}\p{Cf}/\\]/gu, '_').slice(0, 240)
  if (safe === undefined || safe === '') return how
  const encoded = encodeURIComponent(safe.toWellFormed()).replaceAll(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
  return `${how}; filename="${safe.replaceAll(/[^\x20-\x7e]|["%]/g, '_')}"; filename*=UTF-8''${encoded}`
}

/** Streams a file, or the part of it that was asked for, as fast as the client reads: a few megabytes in memory whatever its size. */
export async function serve(req: HttpRequest, res: HttpResponse, { mimeType, size, etag, filename, open }: Served): Promise<void> {
  res.set({
    'Content-Type': mimeType,
    'Content-Disposition': disposition(mimeType, filename),
    'X-Content-Type-Options': 'nosniff',
    // A stranger's file: should a browser open it as a page after all, it has no origin, runs nothing and loads nothing.
    'Content-Security-Policy': "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'",
    // Pages of a CRM stand on another origin and show it.
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Cache-Control': 'private, max-age=600, immutable',
    'Accept-Ranges': 'bytes',
    ETag: etag,
  })
  if (req.get('if-none-match') === etag) return void res.status(304).end()
  const asked = req.get('if-range') === undefined || req.get('if-range') === etag ? rangeOf(req.get('range'), size) : undefined
  if (asked === 'unsatisfiable') {
    res.removeHeader('Content-Type')
    return void res.status(416).set('Content-Range', `bytes */${size}`).end()
  }
  const range = asked ?? { from: 0, to: size }
  const opened = await open(range)
  if (!('bytes' in opened)) {
    for (const name of ['Content-Type', 'Content-Disposition', 'Cache-Control', 'ETag']) res.removeHeader(name)
    throw problem('media_gone', { detail: 'erased' in opened ? 'The file was erased.' : 'The file is not in the media store.' })
  }
  res.status(asked === undefined ? 200 : 206).set('Content-Length', String(range.to - range.from))
  if (asked !== undefined) res.set('Content-Range', `bytes ${range.from}-${range.to - 1}/${size}`)
  if (req.method === 'HEAD') return void res.end()
  // Who goes away in the middle is no failure; a file that breaks off is, and then the connection is cut, so that nobody takes a half for the whole.
  await pipeline(Readable.from(opened.bytes, { objectMode: false }), res).catch(() => res.destroy())
}
