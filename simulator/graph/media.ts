import { createHash } from 'node:crypto'
import { GraphError, noSuchObject } from '../wire/graph-error.ts'
import { graphId } from '../wire/ids.ts'
import type { Sim } from '../sim.ts'
import { mediaUrl } from '../world/customers.ts'
import { dropMedium, liveMedium, putMedium, type Medium, type PhoneNumber } from '../world/world.ts'
import { bareMime, kindOfMime, mediaKinds } from './check/media.ts'
import { readBody, sendJson, type GraphRequest } from './http.ts'

const thirtyDays = 30 * 24 * 3_600_000
const maxUpload = mediaKinds.document.maxBytes + 1024 * 1024
const allMimes = Object.values(mediaKinds).flatMap((kind) => kind.mimes as readonly string[])

/** `POST /{phone-number-id}/media`, multipart: `messaging_product`, `file`, `type`. */
export async function uploadMedia(sim: Sim, number: PhoneNumber, request: GraphRequest): Promise<void> {
  const contentType = request.req.headers['content-type'] ?? ''
  if (!contentType.startsWith('multipart/form-data')) throw new GraphError(100, { message: '(#100) The parameter file is required.' })
  const form = await readForm(contentType, await readBody(request.req, maxUpload))
  if (form.get('messaging_product') !== 'whatsapp') throw new GraphError(100, { message: '(#100) The parameter messaging_product is required.' })
  const file = form.get('file')
  if (file === null || typeof file === 'string') throw new GraphError(100, { message: '(#100) The parameter file is required.' })
  const declared = form.get('type')
  const mime = file.type !== '' && file.type !== 'application/octet-stream' ? file.type : typeof declared === 'string' ? declared : ''
  const kind = kindOfMime(mime)
  if (!kind) {
    const got = bareMime(mime) || 'application/octet-stream'
    throw new GraphError(100, {
      message: `(#100) Param file must be a file with one of the following types: ${allMimes.join(', ')}. Received file of type '${got}'.`,
    })
  }
  const { maxBytes } = mediaKinds[kind]
  if (file.size > maxBytes)
    throw new GraphError(100, { message: `(#100) Param file is too large: ${file.size} bytes, at most ${maxBytes} for ${kind}.` })
  if (file.size === 0) throw new GraphError(100, { message: '(#100) Param file must not be empty.' })
  const bytes = Buffer.from(await file.arrayBuffer())
  const sha256 = createHash('sha256').update(bytes).digest()
  const medium = {
    id: graphId(),
    phone_number_id: number.id,
    mime_type: mime,
    bytes,
    sha256,
    filename: file.name,
    expires_at: Date.now() + thirtyDays,
  }
  putMedium(sim.world, medium, sim.limits)
  sendJson(request.res, 200, { id: medium.id })
}

/** Node's own multipart parser (undici's), by way of a Request that never travels. */
async function readForm(contentType: string, bytes: Buffer): Promise<FormData> {
  try {
    return await new Request('http://multipart.invalid', {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: new Uint8Array(bytes),
    }).formData()
  } catch {
    throw new GraphError(100, { details: 'The multipart body cannot be read' })
  }
}

export function getMedium(medium: Medium, request: GraphRequest): void {
  const numberId = request.query.get('phone_number_id')
  if (medium.expires_at <= Date.now() || (numberId !== null && numberId !== medium.phone_number_id)) throw noSuchObject(medium.id, 'GET')
  sendJson(request.res, 200, {
    messaging_product: 'whatsapp',
    url: mediaUrl(request.publicUrl, medium.id, 'getMedia'),
    mime_type: medium.mime_type,
    sha256: medium.sha256.toString('hex'),
    file_size: medium.bytes.length,
    id: medium.id,
  })
}

export function deleteMedium(sim: Sim, medium: Medium, request: GraphRequest): void {
  dropMedium(sim.world, medium)
  sendJson(request.res, 200, { success: true })
}

/** `GET /whatsapp_business/attachments/?mid=…`, as lookaside.fbsbx.com: with the token, for five minutes. */
export function download(sim: Sim, request: GraphRequest): void {
  const { query, res } = request
  const id = query.get('mid') ?? ''
  const medium = liveMedium(sim.world, id)
  if (!medium || query.get('hash') !== `A${id}` || Number(query.get('ext')) * 1000 < Date.now()) {
    res.writeHead(404, { 'content-type': 'text/html; charset=utf-8' })
    res.end('<!DOCTYPE html><title>Not found</title>')
    return
  }
  sendBytes(res, medium)
}

export function sendBytes(res: GraphRequest['res'], medium: Medium): void {
  res.writeHead(200, { 'content-type': medium.mime_type, 'content-length': medium.bytes.length, 'cache-control': 'private, no-store' })
  res.end(medium.bytes)
}
