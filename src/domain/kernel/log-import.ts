import type { RecordedEvent } from './envelope.ts'

/**
 * Writes events that were recorded in another store, for moving a whole log. Everything stays as it is: id, stream, version, type, data, meta, the time of
 * recording, the attachment. Only the position is the engine's own; the order is that of the calls, so both logs tell the same story in the same order.
 */
export type LogImport = {
  /**
   * Durable when it resolves. The events come in the order of their log, one call at a time; what is stored already (the same id at the same version of the
   * same stream) is passed over, so that whatever was under way when somebody pulled the plug may come again.
   * @throws ImportRefused when something else stands in a place, or what comes before it is missing
   */
  readonly write: (events: readonly RecordedEvent[]) => Promise<void>
}

/** The destination is not the beginning of the log that is written to it. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused'
}
