import type { RecordedEvent } from './envelope.ts'
import type { Position } from './position.ts'

/** A stretch of the log that is wholly there, to be read once and fast: for rebuilds and exports, never for what follows the tail. */
export type Scan = {
  readonly after: Position
  /** Not beyond the head: what is not committed when a window is read is not waited for. */
  readonly through: Position
  readonly types?: readonly string[] | undefined
  readonly tenantId?: string | undefined
  /** Only the streams of one share: every stream is in one of `of` shares, all of its events in the same. Not every scan can deal them out. */
  readonly part?: { readonly nth: number; readonly of: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** Events in log order, never with their attachments. Valid until the next page is asked for: `meta` and `id` are taken from shared bytes when looked at. */
export type ScanPage = { readonly events: readonly RecordedEvent[]; readonly through: Position }

/** The last page's `through` is the scan's, also when no event is left. */
export type LogScan = (scan: Scan) => AsyncIterable<ScanPage>
