import type { AllStreamResolvedEvent } from '@eventstore/db-client'
import { start, type Position } from '../../../domain/kernel/position.ts'
import type { Knowledge } from './knowledge.ts'
import { decode } from './mapping.ts'
import type { Physical } from './physical.ts'

const few = 8

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
    let decided = false
    const take = (resolved: AllStreamResolvedEvent): boolean => {
      const at = resolved.event?.position.commit ?? resolved.commitPosition
      if (at === undefined) return true
      // A read that broke begins again.
      first = first === undefined || at > first ? at : first
      decided = at <= known
      if (decided) return false
      const event = decode(resolved).at(-1)?.event
      if (event === undefined) return true
      found = { position: event.position, recordedAt: event.recordedAt }
      decided = true
      return false
    }
    // Nearly always ours is the last, and the server reads ahead of who does not say how much he wants.
    await physical.backwards(take, few)
    if (!decided) await physical.backwards(take)
    if (first !== undefined && first > looked) {
      looked = first
      if (found !== undefined && found.position > head.position) head = found
    }
    if (found !== undefined) knowledge.saw(found.position, found.recordedAt?.getTime())
    return head
  }
}
