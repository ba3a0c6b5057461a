import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { ImportRefused, type LogImport } from '../../../domain/kernel/log-import.ts'

/**
 * Events recorded elsewhere, with their times. One append after the other, because nothing else keeps the order of the log across its streams: some hundred
 * events a second. What was one append then is one again: neighbours of one stream with the same time.
 */
export const createImport =
  ({
    append,
    readStream,
    imported,
  }: Pick<EventStore, 'append' | 'readStream'> & {
    /** The time that what is appended now was recorded at. */
    imported: { at: number | undefined }
  }): LogImport['write'] =>
  async (events) => {
    for (const run of runs(events)) {
      const [first] = run
      if (first === undefined) continue
      imported.at = first.recordedAt.getTime()
      try {
        const outcome = await append({ stream: first.stream, expected: first.version - 1, events: run })
        if (outcome.outcome === 'conflict') await passOver(run)
      } finally {
        imported.at = undefined
      }
    }

    /** A conflict is a repeat that was cut elsewhere, or somebody else's event. */
    async function passOver(run: readonly RecordedEvent[]): Promise<void> {
      const [first] = run
      if (first === undefined) return
      const stored: RecordedEvent[] = []
      for await (const event of readStream(first.stream, { after: first.version - 1, upTo: first.version - 1 + run.length })) stored.push(event)
      for (const [nth, event] of stored.entries()) {
        if (event.id !== run[nth]?.id.toLowerCase())
          throw new ImportRefused(`version ${event.version} of ${first.stream.category} ${first.stream.id} is another event`)
      }
      const rest = run.slice(stored.length)
      if (stored.length === 0)
        throw new ImportRefused(`what comes before version ${first.version} of ${first.stream.category} ${first.stream.id} is missing`)
      const [next] = rest
      if (next === undefined) return
      const outcome = await append({ stream: next.stream, expected: next.version - 1, events: rest })
      if (outcome.outcome === 'conflict')
        throw new ImportRefused(`version ${next.version} of ${next.stream.category} ${next.stream.id} does not fit here`)
    }
  }

function runs(events: readonly RecordedEvent[]): RecordedEvent[][] {
  const made: RecordedEvent[][] = []
  let last: RecordedEvent | undefined
  for (const event of events) {
    const same =
      last !== undefined &&
      last.stream.tenantId === event.stream.tenantId &&
      last.stream.category === event.stream.category &&
      last.stream.id === event.stream.id &&
      last.version + 1 === event.version &&
      last.recordedAt.getTime() === event.recordedAt.getTime()
    if (same) made.at(-1)?.push(event)
    else made.push([event])
    last = event
  }
  return made
}
