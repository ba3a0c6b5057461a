/** The blobs looked at last, up to a weight: what was just written is asked for by the intake a moment later, and the bodies of a page share blobs. */
export type BlobCache = {
  readonly get: (shard: number, revision: number) => Uint8Array | undefined
  readonly set: (shard: number, revision: number, blob: Uint8Array) => void
}

export function createBlobCache(mostBytes: number): BlobCache {
  const blobs = new Map<string, Uint8Array>()
  let bytes = 0
  const drop = (key: string): void => {
    bytes -= blobs.get(key)?.byteLength ?? 0
    blobs.delete(key)
  }
  return {
    get(shard, revision) {
      const key = `${shard}/${revision}`
      const blob = blobs.get(key)
      if (blob === undefined) return undefined
      blobs.delete(key)
      blobs.set(key, blob)
      return blob
    },
    set(shard, revision, blob) {
      const key = `${shard}/${revision}`
      drop(key)
      blobs.set(key, blob)
      bytes += blob.byteLength
      for (const oldest of blobs.keys()) {
        if (bytes <= mostBytes) break
        drop(oldest)
      }
    },
  }
}
