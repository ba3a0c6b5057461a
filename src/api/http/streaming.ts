import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { HttpResponse } from './principal.ts'

/**
 * Sends what is made as it is made, no faster than the client takes it: what is held is one chunk. When making it fails half-way the connection is cut, since the
 * status has been said: a file that ends without an error has to be whole. A client that goes away ends the making.
 */
export async function streamText(res: HttpResponse, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
  const source = chunks[Symbol.asyncIterator]()
  // The first chunk before the head: what fails at once can still be told by a status.
  const first = await source.next()
  if (first.done === true) {
    res.end()
    return
  }
  async function* all(): AsyncGenerator<string | Uint8Array> {
    try {
      yield first.value as string | Uint8Array
      for (;;) {
        const next = await source.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await source.return?.()
    }
  }
  await pipeline(Readable.from(all()), res).catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
}

const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
