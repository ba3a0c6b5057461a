import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'

/** Where an event's body stands: the shard of `raw-<n>`, and which bytes of which of its blobs, in order. Most bodies are one piece. */
export type BodyPlace = readonly [shard: number, ...pieces: (readonly [revision: number, offset: number, length: number])[]]

/** A logical event as the server's log holds it; its body is elsewhere. */
export type Decoded = { readonly event: RecordedEvent; readonly body?: BodyPlace | undefined }
