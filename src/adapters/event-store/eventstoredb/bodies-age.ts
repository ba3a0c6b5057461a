import { rawStream, shards } from './packs.ts'

/**
 * How long the server keeps raw bodies: the longest that any tenant wants, undefined for ever. What one of them wants to be rid of earlier is told by a mark
 * (`Purged`), for bodies of many tenants stand in one blob. Readers miss them at once; their room on disk comes back with the server's next scavenge.
 */
export async function ageBodies(
  setMetadata: (stream: string, metadata: { maxAge?: number }) => Promise<unknown>,
  seconds: number | undefined,
): Promise<void> {
  for (let shard = 0; shard < shards; shard++)
    await setMetadata(rawStream(shard), seconds === undefined ? {} : { maxAge: Math.max(1, Math.floor(seconds)) })
}
