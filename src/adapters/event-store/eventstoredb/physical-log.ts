import type { EventData, ResolvedEvent } from '@eventstore/db-client'

/** What deliveries and bodies need of the server's own streams (`physical.ts`): an append's outcome is known when it resolves, whatever happened on the way. */
export type PhysicalLog = {
  /** Revision and position of the last event; `actual` is the stream's last revision, undefined when there is no stream. */
  readonly append: (
    stream: string,
    events: readonly EventData[],
    expected: 'any' | 'no_stream' | bigint,
  ) => Promise<
    { readonly stored: true; readonly revision: bigint; readonly position: bigint } | { readonly stored: false; readonly actual: bigint | undefined }
  >
  readonly readStream: (
    stream: string,
    options: { from?: bigint | 'start' | 'end'; backwards?: boolean; limit: number },
  ) => Promise<readonly ResolvedEvent[]>
  readonly readAt: (commit: bigint) => Promise<ResolvedEvent | undefined>
  readonly limits: { readonly maxAppendBytes: number }
}
