import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventPlace } from '../../../domain/kernel/event-places.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { streamName, type StreamRef } from '../../../domain/kernel/stream.ts'

/** Streams that are read at the same time: enough to hide the way to the engine, few enough to leave it to others. */
const atOnce = 16
/** Versions between two wanted ones that are read along with them rather than asked around. */
const nearby = 20

type Run = { readonly stream: StreamRef; readonly after: number; readonly upTo: number }

/**
 * The events at these places, in the same order; undefined where the engine has none (any more). Neighbours in a stream are read together.
 * Only streams of `tenantId` are ever asked for: a place of another tenant is answered as if there were nothing.
 */
export async function readPlaces(
  store: Pick<EventStore, 'readStream'>,
  tenantId: string,
  places: readonly EventPlace[],
  options: { readonly attachments?: boolean } = {},
): Promise<readonly (RecordedEvent | undefined)[]> {
  const found = new Map<string, RecordedEvent>()
  const runs = runsOf(places.filter(({ stream }) => stream.tenantId === tenantId))
  const readers = Array.from({ length: Math.min(atOnce, runs.length) }, async () => {
    for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
      for await (const event of store.readStream(run.stream, { after: run.after, upTo: run.upTo, ...options })) {
        if (event.stream.tenantId === tenantId) found.set(keyOf(event), event)
      }
    }
  })
  await Promise.all(readers)
  return places.map((place) => found.get(keyOf(place)))
}

const keyOf = ({ stream, version }: EventPlace): string => `${streamName(stream)} ${version}`

function runsOf(places: readonly EventPlace[]): Run[] {
  const streams = new Map<string, { readonly stream: StreamRef; readonly versions: number[] }>()
  for (const { stream, version } of places) {
    const name = streamName(stream)
    const known = streams.get(name)
    if (known === undefined) streams.set(name, { stream, versions: [version] })
    else known.versions.push(version)
  }
  return [...streams.values()].flatMap(({ stream, versions }) => {
    const runs: { stream: StreamRef; after: number; upTo: number }[] = []
    for (const version of versions.toSorted((a, b) => a - b)) {
      const last = runs.at(-1)
      if (last !== undefined && version - last.upTo <= nearby) last.upTo = version
      else runs.push({ stream, after: version - 1, upTo: version })
    }
    return runs
  })
}
