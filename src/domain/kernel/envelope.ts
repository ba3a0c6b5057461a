import type { Position } from './position.ts'
import type { StreamRef } from './stream.ts'

/** Who wanted it. `provider` is the other side of a webhook; `process` is Recado itself. */
export type Actor = { readonly kind: 'user' | 'api' | 'operator' | 'process' | 'provider'; readonly id: string; readonly name?: string }

/** Why and when. `correlationId` is the request or delivery all this comes from, `causationId` the command or event right before. Times RFC 3339. */
export type EventMeta = {
  readonly occurredAt: string
  readonly correlationId: string
  readonly causationId: string
  readonly actor: Actor
  /** The client's address, sealed under the month's key (`commands/audit/trail.ts`): of what a request asked for. */
  readonly ip?: string
  readonly traceparent?: string
}

/** An event on its way into the store. `id` is a uuid made from the command (`eventId`), so a repeat is recognised on every engine. */
export type NewEvent = {
  readonly id: string
  readonly type: string
  readonly schemaVersion: number
  /** JSON object; personal fields are already sealed (see `sealing.ts`). */
  readonly data: Readonly<Record<string, unknown>>
  readonly meta: EventMeta
  /** Bytes that belong to the event and not into JSON: the raw body of a delivery. The store seals them and keeps them beside the log; purged by retention. */
  readonly attachment?: Uint8Array
}

/** An event as the log holds it. `version` counts from 1 within the stream; `recordedAt` never goes back along positions. */
export type RecordedEvent = NewEvent & {
  readonly stream: StreamRef
  readonly version: number
  readonly position: Position
  readonly recordedAt: Date
  /** The data and the type in one, where reading made it so (a scan of the log). Whoever has other data than what was stored leaves it out. */
  readonly whole?: { readonly type: string }
  /** That of `meta`, where reading has it without the rest. Like `whole`, left out by whoever has other metadata. */
  readonly occurredAt?: string
  /** Why an attachment that is still kept could not be opened. */
  readonly unreadable?: string
}

export const occurredAtOf = (at: RecordedEvent): string => at.occurredAt ?? at.meta.occurredAt

/** A copy that outlives the page it came in, and can be spread: what a scan of the log gives takes its parts from shared bytes when they are looked at. */
export const ownCopy = ({ id, type, schemaVersion, data, meta, stream, version, position, recordedAt }: RecordedEvent): RecordedEvent => ({
  id,
  type,
  schemaVersion,
  data,
  meta,
  stream,
  version,
  position,
  recordedAt,
})
