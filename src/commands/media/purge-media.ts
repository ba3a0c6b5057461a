import { z } from 'zod'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { MediaEvent } from '../../domain/media/events.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { storageKeyOf } from './sealed-file.ts'

export const purgeJob = z.object({ tenantId: z.uuid(), mediaId: z.string() })
export type PurgeJob = z.infer<typeof purgeJob>

/** Removes the bytes of an erased file, wherever its events say that they lie. May be repeated; throws when the store is away. */
export function createPurgeMedia({ events, store }: { events: Pick<EventStore, 'readStream'>; store: Pick<MediaStore, 'remove'> }) {
  return async ({ tenantId, mediaId }: PurgeJob): Promise<void> => {
    // Those of a file that was being stored when it was erased are in no event.
    const keys = new Set([storageKeyOf(tenantId, mediaId, 'file'), storageKeyOf(tenantId, mediaId, 'thumbnail')])
    for await (const stored of events.readStream(streamRef('media', tenantId, mediaId))) {
      const event = fromStored<MediaEvent>(stored)
      if (event.type !== 'MediaStored') continue
      keys.add(event.storageKey)
      if (event.thumbnailKey !== undefined) keys.add(event.thumbnailKey)
    }
    for (const key of keys) await store.remove(key)
  }
}
