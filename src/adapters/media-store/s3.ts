import { Readable } from 'node:stream'
import { AwsV4Signer } from 'aws4fetch'
import { Agent, request } from 'undici'
import type { MediaStore } from '../../commands/ports/media-store.ts'
import { isKey } from './key.ts'

export type S3Options = {
  /** `https://s3.eu-central-1.amazonaws.com`, `http://minio:9000`. */
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly timeoutMs?: number
}

type Answer = Awaited<ReturnType<typeof request>>

/**
 * Any S3-compatible service, path style (`<endpoint>/<bucket>/<key>`), one PUT per file: the largest is 100 MB and a PUT takes 5 GB.
 * The payload is not signed: it is sealed, so whoever changes it on the way only makes it unreadable.
 */
export function createS3Store({ endpoint, bucket, region, accessKeyId, secretAccessKey, timeoutMs = 60_000 }: S3Options): MediaStore {
  const agent = new Agent({ connections: 16, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect: { timeout: 10_000 } })
  const base = `${endpoint.replace(/\/$/, '')}/${encodeURIComponent(bucket)}`

  async function call(
    method: 'GET' | 'PUT' | 'DELETE' | 'HEAD',
    path: string,
    headers: Record<string, string> = {},
    body?: Readable,
  ): Promise<Answer> {
    const signer = new AwsV4Signer({
      method,
      url: base + path,
      region,
      service: 's3',
      accessKeyId,
      secretAccessKey,
      headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    })
    const signed = await signer.sign()
    return request(signed.url, { method, headers: Object.fromEntries(signed.headers), body: body ?? null, dispatcher: agent })
  }

  const pathOf = (key: string): string => {
    if (!isKey(key)) throw new Error('not a key of the media store')
    return `/${key}`
  }

  return {
    async put(key, { size, bytes }) {
      // undici breaks the request off when the bytes throw, or are more or fewer than announced: S3 keeps nothing of it.
      const answer = await call(
        'PUT',
        pathOf(key),
        { 'content-length': String(size), 'content-type': 'application/octet-stream' },
        Readable.from(bytes, { objectMode: false }),
      )
      if (answer.statusCode !== 200) throw await refusal('PUT', answer)
      await answer.body.dump()
    },
    async read(key, { from, to }) {
      if (from >= to) {
        const answer = await call('HEAD', pathOf(key))
        await answer.body.dump()
        if (answer.statusCode === 404) return undefined
        return Readable.from([])
      }
      const answer = await call('GET', pathOf(key), { range: `bytes=${from}-${to - 1}` })
      if (answer.statusCode === 404) {
        await answer.body.dump()
        return undefined
      }
      // A 200 would be the whole file, from its beginning.
      if (answer.statusCode !== 206) throw await refusal('GET', answer)
      return answer.body
    },
    async remove(key) {
      const answer = await call('DELETE', pathOf(key))
      if (answer.statusCode >= 300 && answer.statusCode !== 404) throw await refusal('DELETE', answer)
      await answer.body.dump()
    },
    async check() {
      const answer = await call('HEAD', '')
      await answer.body.dump()
      if (answer.statusCode >= 300)
        throw new Error(`The bucket "${bucket}" cannot be used (HTTP ${answer.statusCode}). Check S3_ENDPOINT, S3_BUCKET, S3_REGION and the keys.`)
    },
    close: () => agent.close(),
  }
}

/** S3 says what is wrong in `<Code>`; the rest of its answer names keys and hosts and stays out of our log. */
async function refusal(method: string, { statusCode, body }: Answer): Promise<Error> {
  const text = await body.text().catch(() => '')
  const code = /<Code>([A-Za-z0-9]{1,60})<\/Code>/.exec(text)?.[1]
  return new Error(`the media store refused ${method}: HTTP ${statusCode}${code === undefined ? '' : ` ${code}`}`)
}
