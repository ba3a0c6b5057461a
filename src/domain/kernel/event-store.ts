import type { NewEvent, RecordedEvent } from './envelope.ts'
import type { Position } from './position.ts'
import type { StreamRef } from './stream.ts'

/**
 * What a writer believes about the stream: its exact version (0 = it does not exist yet), that it exists, or nothing.
 * Repeats are recognised for an exact version only: same ids, same original version → `duplicate` with the original result.
 */
export type Expected = number | 'exists' | 'any'

export type Append = { readonly stream: StreamRef; readonly expected: Expected; readonly events: readonly NewEvent[] }

/**
 * A value, not an exception: a conflict is an answer that the decider loop works with.
 * `version` and `position` are those of the last event appended; on `conflict`, `version` is the stream's present one.
 */
export type AppendResult =
  | { readonly outcome: 'appended'; readonly version: number; readonly position: Position }
  | { readonly outcome: 'duplicate'; readonly version: number; readonly position: Position }
  | { readonly outcome: 'conflict'; readonly version: number }

/** `types` and `tenantId` narrow what is delivered; positions go on over what is left out. */
export type LogFilter = { readonly tenantId?: string; readonly types?: readonly string[] }

/** Events in log order, and how far the log was looked at (≥ the last event's position when a filter left some out). */
export type LogPage = { readonly events: readonly RecordedEvent[]; readonly through: Position }

export type Delivery = ({ readonly kind: 'page' } & LogPage) | { readonly kind: 'caught-up'; readonly through: Position }

export type LogRead = { readonly after: Position; readonly filter?: LogFilter; readonly limit: number; readonly attachments?: boolean }

export type LogSubscription = {
  readonly after: Position
  readonly filter?: LogFilter
  readonly signal: AbortSignal
  /** Most events of one page (1,000). */
  readonly pageSize?: number
  readonly attachments?: boolean
}

/** The log. Adapters: in-memory and PostgreSQL; one contract suite (`tests/contract/event-store.contract.ts`) holds both to the same promises. */
export type EventStore = {
  /**
   * Durable when it resolves. One stream per append; appends of many callers share a commit.
   * @throws StoreUnavailable when the store cannot be reached or its queue is full: nothing is known to be stored, repeat with the same ids.
   */
  append: (append: Append) => Promise<AppendResult>
  /** The stream's events in order, from version `after` + 1; up to a version or as known at a moment or position. */
  readStream: (
    stream: StreamRef,
    options?: { after?: number; upTo?: number; asOf?: Date | Position; attachments?: boolean },
  ) => AsyncIterable<RecordedEvent>
  readAll: (read: LogRead) => Promise<LogPage>
  /** Every event after a position, in order, none twice and none left out, without end; `caught-up` each time the tip is reached. Survives lost connections. */
  subscribe: (subscription: LogSubscription) => AsyncIterable<Delivery>
  head: () => Promise<{ position: Position; recordedAt: Date | undefined }>
  /** How far apart two positions are, for progress: exact where the engine can say. */
  distance: (from: Position, to: Position) => Promise<{ events: number | undefined; ratio: number }>
  close: () => Promise<void>
}

/** What one tenant may read of the log, behind a wall of the database: nothing of another one, whatever is asked for. */
export type TenantLog = Pick<EventStore, 'readStream' | 'readAll'> & {
  /** Of the tenant's last event at or before a moment or position; `start` when there is none. Two moments with nothing in between have the same one. */
  readonly positionAt: (moment: Date | Position) => Promise<Position>
}
export type TenantLogs = (tenantId: string) => TenantLog

/** The store cannot take it now: 503 with Retry-After at the edge. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly retryAfterSeconds: number
  readonly reason: 'queue_full' | 'connection' | 'closed'
  constructor(reason: 'queue_full' | 'connection' | 'closed', detail: string, retryAfterSeconds = 2, options?: ErrorOptions) {
    super(detail, options)
    this.reason = reason
    this.retryAfterSeconds = retryAfterSeconds
  }
}
