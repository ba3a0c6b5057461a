import { start, type Position } from '../../../domain/kernel/position.ts'
import type { Knowledge } from './knowledge.ts'
import { decode } from './mapping.ts'
import type { Physical } from './physical.ts'

export type Head = { readonly position: Position; readonly recordedAt: Date | undefined }

/**
 * The last event of ours. The end of the server's log may be anybody's: statistics, metadata, bodies of deliveries; they are passed backwards, and where the last
 * look began is remembered, so that an idle installation is not read again each time.
 */
export function createHead(physical: Physical, knowledge: Knowledge): () => Promise<Head> {
  let looked = -1n
  let head: Head = { position: start, recordedAt: undefined }

  return async () => {
    let first: bigint | undefined
    let found: Head | undefined
    const known = looked
    await physical.backwards((resolved) => {
      // A read that broke and began again.
      const at = resolved.event?.position.commit ?? resolved.commitPosition
      if (at === undefined) return true
      first = first === undefined || at > first ? at : first
      if (at <= known) return false
      const event = decode(resolved).at(-1)?.event
      if (event === undefined) return true
      found = { position: event.position, recordedAt: event.recordedAt }
      return false
    })
    if (first !== undefined && first > looked) {
      looked = first
      if (found !== undefined && found.position > head.position) head = found
    }
    if (found !== undefined) knowledge.saw(found.position, found.recordedAt?.getTime())
    return head
  }
}
