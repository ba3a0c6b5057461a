import { randomBytes } from 'node:crypto'
import type { Sim } from '../sim.ts'
import { GraphError } from '../wire/graph-error.ts'
import { readBody, sendJson, type GraphRequest } from './http.ts'

/** Of the app that every token here belongs to. */
export const appId = '900000000000001'

/** What the resumable upload takes: samples of template headers and profile pictures. */
const types = ['application/pdf', 'image/jpeg', 'image/jpg', 'image/png', 'video/mp4']
const largest = 100 * 1024 * 1024

/** `POST /{app-id}/uploads?file_name=&file_length=&file_type=` begins a session. */
export function beginUpload(sim: Sim, { query, res }: GraphRequest): void {
  const length = Number(query.get('file_length'))
  if (!Number.isInteger(length) || length < 1 || length > largest)
    throw new GraphError(100, { message: '(#100) The parameter file_length is required.' })
  const type = query.get('file_type') ?? ''
  if (!types.includes(type)) throw new GraphError(100, { message: `(#100) Param file_type must be one of {${types.join(', ')}}` })
  const session = `upload:${randomBytes(18).toString('hex')}`
  sim.world.uploads.set(session, length)
  // Meta's carry a signature as a query.
  sendJson(res, 200, { id: `${session}?sig=AR${randomBytes(8).toString('hex')}` })
}

/** `POST /upload:…` with the bytes, the header `file_offset`, and `Authorization: OAuth` as nowhere else. */
export async function takeUpload(sim: Sim, id: string, { req, res, query }: GraphRequest): Promise<void> {
  const length = sim.world.uploads.get(id)
  if (length === undefined || query.get('sig') === null) throw new GraphError(100, { message: '(#100) Invalid upload session' })
  if (req.headers.authorization?.startsWith('OAuth ') !== true)
    throw new GraphError(190, { message: 'An access token is required to request this resource.' })
  if (req.headers['file_offset'] !== '0') throw new GraphError(100, { message: '(#100) Invalid file offset' })
  const bytes = await readBody(req, largest)
  if (bytes.length !== length) throw new GraphError(100, { message: '(#100) The file is not as long as was said' })
  sim.world.uploads.delete(id)
  sendJson(res, 200, { h: `4::${randomBytes(24).toString('base64')}:ARb${randomBytes(12).toString('base64')}` })
}
