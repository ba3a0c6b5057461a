import type { BlobCache } from './bodies-cache.ts'
import type { BodyPlace } from './decoded.ts'
import { rawStream } from './packs.ts'
import type { PhysicalLog } from './physical-log.ts'

/** Revisions wanted of each shard, in order, none twice. */
export function wantedBlobs(places: readonly (BodyPlace | undefined)[]): ReadonlyMap<number, readonly number[]> {
  const wanted = new Map<number, Set<number>>()
  for (const place of places) {
    if (place === undefined) continue
    const [shard, ...pieces] = place
    const ofShard = wanted.get(shard) ?? new Set()
    wanted.set(shard, ofShard)
    for (const [revision] of pieces) ofShard.add(revision)
  }
  return new Map([...wanted].map(([shard, revisions]) => [shard, [...revisions].toSorted((a, b) => a - b)]))
}

/** Reading two blobs that nobody wants costs less than asking once more. */
const smallGap = 2
/** Of one read, so that an answer is never more than 16 MiB. */
const mostOfRead = 16

/** From–to stretches that hold what is wanted. */
function stretches(revisions: readonly number[]): readonly { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = []
  for (const revision of revisions) {
    const last = found.at(-1)
    if (last !== undefined && revision - last.to <= smallGap + 1 && revision - last.from < mostOfRead) last.to = revision
    else found.push({ from: revision, to: revision })
  }
  return found
}

/** The blobs by `shard/revision`; what has aged is not among them. The shards are asked side by side, each one read after the other. */
export async function readBlobs(
  { physical, cache }: { physical: Pick<PhysicalLog, 'readStream'>; cache: BlobCache },
  wanted: ReadonlyMap<number, readonly number[]>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const blobs = new Map<string, Uint8Array>()
  await Promise.all(
    [...wanted].map(async ([shard, revisions]) => {
      const missing: number[] = []
      for (const revision of revisions) {
        const kept = cache.get(shard, revision)
        if (kept === undefined) missing.push(revision)
        else blobs.set(`${shard}/${revision}`, kept)
      }
      for (const { from, to } of stretches(missing)) {
        for (const { event } of await physical.readStream(rawStream(shard), { from: BigInt(from), limit: to - from + 1 })) {
          // Where the beginning has aged, the server goes on with what is left of the stream.
          if (event === undefined || event.revision > to) continue
          const blob = event.data as Uint8Array
          cache.set(shard, Number(event.revision), blob)
          blobs.set(`${shard}/${event.revision}`, blob)
        }
      }
    }),
  )
  return blobs
}
