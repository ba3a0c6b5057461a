import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { NextFunction } from 'express'
import { FileTooLarge, spool, type Spooled } from '../../commands/media/spool.ts'
import { keepBodyHash } from './body.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from './principal.ts'
import { problem } from './problem.ts'

/** One file of a multipart body, whole and counted. It is gone when the request is answered. */
export type Upload = { readonly file: Spooled; readonly filename: string | undefined; readonly mimeType: string | undefined }

const required = (message: string) => problem('invalid_request', { errors: [{ path: 'body.file', code: 'required', message }] })

/**
 * `multipart/form-data` with a field `file` into `req.body`; other fields are read past. The file is taken in before the route runs, because only
 * who has seen the whole body can say whether an Idempotency-Key came with the same one.
 */
export function uploadBody(limit: number): HttpHandler {
  return async (req: HttpRequest, res: HttpResponse, next: NextFunction): Promise<void> => {
    if (req.is('multipart/form-data') === false) throw problem('unsupported_media_type', 'Send the file as multipart/form-data, in the field `file`.')
    const upload = await take(req, limit)
    if (upload === undefined) throw required('is missing: send the file in this field')
    res.once('close', () => void upload.file.dispose())
    const { file, filename = '', mimeType = '' } = upload
    keepBodyHash(req, createHash('sha256').update(`${file.sha256}\n${mimeType}\n${filename}`).digest('hex'))
    req.body = upload
    next()
  }
}

async function take(req: HttpRequest, limit: number): Promise<Upload | undefined> {
  const { default: busboy } = await import('busboy')
  let taking: Promise<Upload> | undefined
  try {
    const parser = busboy({ headers: req.headers, defParamCharset: 'utf8', limits: { files: 1, fields: 20, fieldSize: 65_536, parts: 21 } })
    await new Promise<void>((resolve, reject) => {
      parser.on('file', (name: string, stream: Readable, info: { filename?: string; mimeType?: string }) => {
        if (name !== 'file' || taking !== undefined) {
          stream.resume()
          return
        }
        taking = spool(stream as AsyncIterable<Uint8Array>, limit).then((file) => ({
          file,
          filename: info.filename === undefined || info.filename === '' ? undefined : info.filename.slice(0, 240),
          mimeType: info.mimeType,
        }))
        // What cannot be taken ends the reading at once; the client hears why instead of sending on.
        taking.catch(reject)
      })
      parser.on('close', resolve)
      parser.on('error', reject)
      req.on('aborted', () => reject(new Error('the client went away')))
      req.pipe(parser)
    })
    return await taking
  } catch (error) {
    req.unpipe()
    req.resume()
    await taking?.then(
      ({ file }) => file.dispose(),
      () => undefined,
    )
    if (error instanceof FileTooLarge) throw problem('payload_too_large', `The file is larger than ${error.limit} bytes.`)
    throw problem('bad_request', 'The multipart body could not be read.')
  }
}
