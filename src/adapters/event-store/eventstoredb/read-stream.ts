import type { StreamRef } from '../../../domain/kernel/stream.ts'
import type { Decoded } from './decoded.ts'
import { decode, neverBack, physicalName } from './mapping.ts'
import type { Physical } from './physical.ts'

const page = 500

/** The events that stand in the stream's own physical stream, page by page; `base` events of it stand elsewhere, before them. */
export const createStreamReads = (physical: Pick<Physical, 'readStream'>) =>
  async function* read(stream: StreamRef, { after, upTo }: { after: number; upTo: number }, base: number): AsyncGenerator<Decoded> {
    const inOrder = neverBack()
    for (let version = Math.max(after, base); version < upTo;) {
      const limit = Math.min(page, upTo - version)
      const found = await physical.readStream(physicalName(stream), { from: BigInt(version - base), limit })
      for (const decoded of found.flatMap(decode)) yield inOrder(decoded)
      if (found.length < limit) return
      version += found.length
    }
  }
