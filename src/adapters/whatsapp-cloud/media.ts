import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { z } from 'zod'
import type { CallResult, CloudApiAccount, ProviderError } from '../../commands/ports/cloud-api.ts'
import type { DescribedMedia, MediaApi, UploadedFile } from '../../commands/ports/media-api.ts'
import { bareError, metaError } from './answers.ts'
import type { Answer } from './exchange.ts'

export type MediaApiOptions = {
  readonly graphUrl: string
  readonly version: string
  /** To the first byte of the answer, and between two pieces of it. */
  readonly timeoutMs?: number
}

/** `file_size` is a number on some versions and a text on others. */
const described = z.object({
  url: z.url(),
  mime_type: z.string().optional().catch(undefined),
  sha256: z.string().optional().catch(undefined),
  file_size: z.coerce.number().int().nonnegative().optional().catch(undefined),
})
const named = z.object({ id: z.string().regex(/^\d{1,40}$/) })
const uploadSession = z.object({ id: z.string().regex(/^upload:[\w:+/=.?&%-]{1,2000}$/) })
const handled = z.object({ h: z.string().regex(/^[\x21-\x7e\n]{1,8000}$/) })
const uploaded = z.object({ id: z.string().regex(/^\P{Cc}{1,200}$/u) })

type Result = Awaited<ReturnType<typeof request>>

/** Meta's media endpoints. An agent of their own: a picture of 100 MB on its way must not stand before a message in the queue of a connection. */
export function createMediaApi({ graphUrl, version, timeoutMs = 30_000 }: MediaApiOptions): MediaApi {
  const base = new URL(graphUrl)
  const root = `${base.href.replace(/\/$/, '')}/${version}`
  const agent = new Agent({ connections: 8, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect: { timeout: 10_000 } })
  // Without a user agent Meta's file host is known to refuse.
  const headersOf = ({ accessToken }: CloudApiAccount): Record<string, string> => ({ authorization: `Bearer ${accessToken}`, 'user-agent': 'recado' })

  async function reach<T>(ask: () => Promise<CallResult<T>>): Promise<CallResult<T>> {
    try {
      return await ask()
    } catch (error) {
      return { unreachable: reasonOf(error) }
    }
  }

  return {
    describe: (account, providerId, signal) =>
      reach(async () => {
        const url = `${root}/${encodeURIComponent(providerId)}?phone_number_id=${encodeURIComponent(account.phoneNumberId)}`
        const result = await request(url, { headers: headersOf(account), dispatcher: agent, signal: signal ?? null })
        const answer = await answerOf(result)
        const read = described.safeParse(json(answer.body))
        if (answer.status !== 200 || !read.success) return failure(answer)
        const { mime_type: mimeType, sha256, file_size: size } = read.data
        const more = { mimeType, sha256, size } satisfies { [Field in Exclude<keyof DescribedMedia, 'url'>]: unknown }
        return { ok: { url: read.data.url, ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined)) } }
      }),
    download: (account, address, signal) =>
      reach(async () => {
        const url = new URL(address)
        // The token goes along, so the address must be one that nobody can listen on: Meta's are https; the simulator's are where Graph itself is.
        if (url.protocol !== 'https:' && url.origin !== base.origin) return { unreachable: 'the address of the file is not safe' }
        const result = await request(url, { headers: headersOf(account), dispatcher: agent, signal: signal ?? null })
        return result.statusCode === 200 ? { ok: result.body } : failure(await answerOf(result))
      }),
    upload: (account, file, signal) =>
      reach(async () => {
        const form = multipart(file)
        const headers = { ...headersOf(account), 'content-type': form.contentType, 'content-length': String(form.length) }
        const url = `${root}/${encodeURIComponent(account.phoneNumberId)}/media`
        const result = await request(url, {
          method: 'POST',
          headers,
          body: Readable.from(form.bytes, { objectMode: false }),
          dispatcher: agent,
          signal: signal ?? null,
        })
        const answer = await answerOf(result)
        const read = uploaded.safeParse(json(answer.body))
        return answer.status === 200 && read.success ? { ok: read.data.id } : failure(answer)
      }),
    // Meta's resumable upload, in one piece: what breaks off is begun anew with the next request of whoever wanted it.
    uploadSample: (account, { mimeType, filename, size, bytes }, signal) =>
      reach(async () => {
        const common = { dispatcher: agent, signal: signal ?? null }
        const app = await answerOf(await request(`${root}/app?fields=id`, { headers: headersOf(account), ...common }))
        const appId = named.safeParse(json(app.body)).data?.id
        if (app.status !== 200 || appId === undefined) return failure(app)
        const about = new URLSearchParams({ file_name: filename, file_length: String(size), file_type: mimeType })
        const session = await answerOf(
          await request(`${root}/${encodeURIComponent(appId)}/uploads?${about}`, { method: 'POST', headers: headersOf(account), ...common }),
        )
        const begun = uploadSession.safeParse(json(session.body)).data
        if (session.status !== 200 || begun === undefined) return failure(session)
        // This endpoint alone takes `OAuth`, and its id goes into the address as it is: it brings a signature along, as a query.
        const headers = { ...headersOf(account), authorization: `OAuth ${account.accessToken}`, file_offset: '0', 'content-length': String(size) }
        const body = Readable.from(bytes, { objectMode: false })
        const answer = await answerOf(await request(`${root}/${begun.id}`, { method: 'POST', headers, body, ...common }))
        const done = handled.safeParse(json(answer.body)).data
        return answer.status === 200 && done !== undefined ? { ok: done.h } : failure(answer)
      }),
    close: () => agent.close(),
  }
}

/** Meta's three fields. By hand, because its length is known before the first byte is read: the file is never in memory as a whole. */
function multipart({ mimeType, filename, size, bytes }: UploadedFile): { contentType: string; length: number; bytes: AsyncIterable<Uint8Array> } {
  const boundary = `recado-${randomBytes(16).toString('hex')}`
  const field = (name: string, value: string): string => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const name = filename.replaceAll(/[\p{Cc}"\\]/gu, '_')
  const before = Buffer.from(
    `${field('messaging_product', 'whatsapp')}${field('type', mimeType)}--${boundary}\r\n` +
      `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: ${mimeType}\r\n\r\n`,
  )
  const after = Buffer.from(`\r\n--${boundary}--\r\n`)
  async function* all(): AsyncGenerator<Uint8Array> {
    yield before
    yield* bytes
    yield after
  }
  return { contentType: `multipart/form-data; boundary=${boundary}`, length: before.length + size + after.length, bytes: all() }
}

const maxAnswerBytes = 1024 * 1024

async function answerOf({ statusCode, headers, body }: Result): Promise<Answer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > maxAnswerBytes) throw new Error('the answer is too long')
    pieces.push(piece)
  }
  const wait = headers['retry-after']
  const retryAfter = Array.isArray(wait) ? wait[0] : wait
  return { status: statusCode, body: Buffer.concat(pieces).toString(), ...(retryAfter === undefined ? {} : { retryAfter }) }
}

function failure(answer: Answer): { error: ProviderError } | { unreachable: string } {
  const error = metaError(answer)
  if (error !== undefined) return { error }
  const message = `HTTP ${answer.status} is not an answer of the Cloud API`
  return answer.status >= 500 ? { unreachable: message } : { error: bareError(answer, message) }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Short and free of addresses and tokens: it ends in an event. */
const reasonOf = (error: unknown): string =>
  error instanceof Error ? ('code' in error && typeof error.code === 'string' ? error.code : error.name) : 'unknown failure'
