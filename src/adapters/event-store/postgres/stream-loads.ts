import type { Pool } from 'pg'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { StreamRef } from '../../../domain/kernel/stream.ts'
import { readStreamHeads } from './read-log.ts'

type Wanted = {
  readonly stream: StreamRef
  readonly after: number
  readonly resolve: (events: readonly RecordedEvent[]) => void
  readonly reject: (error: unknown) => void
}

/** The first events of a stream after a version, `headLength` at most: whoever gets as many has to read on. */
export type LoadHead = (stream: StreamRef, after: number) => Promise<readonly RecordedEvent[]>

export const headLength = 32
const streamsAtOnce = 64
const lanes = 2

/**
 * Many short streams in one question. A campaign loads the contact and the conversation of every person it writes to, each of them for the first time:
 * with a statement for each, the sender's 384 calls at once stood in the queue of the pool and the number went at a tenth of its rate.
 * As in group commit there is no timer: whoever comes while both lanes are busy goes along with the next one. A question leaves after all who share it asked,
 * so everybody sees what was committed before.
 */
export function createStreamLoads(pool: Pool): LoadHead {
  const waiting: Wanted[] = []
  let busy = 0

  function pump(): void {
    while (busy < lanes && waiting.length > 0) {
      const batch = waiting.splice(0, streamsAtOnce)
      busy++
      void load(batch).finally(() => {
        busy--
        pump()
      })
    }
  }

  async function load(batch: readonly Wanted[]): Promise<void> {
    try {
      const found = await readStreamHeads(pool, batch, headLength)
      batch.forEach(({ resolve }, nth) => resolve(found[nth] ?? []))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return (stream, after) =>
    new Promise((resolve, reject) => {
      waiting.push({ stream, after, resolve, reject })
      // Whoever asks in the same turn of the event loop shares the first question too.
      if (waiting.length === 1) setImmediate(pump)
    })
}
