import type { Pool } from 'pg'
import { openLogGate, type LogElsewhere, type LogGate } from '../adapters/event-store/gated.ts'

/** What came of a call to the provider: only Recado knows it, so it is still written while the log is being frozen. */
const results = new Set(['SendAccepted', 'SendDeferred', 'SendFailed', 'SendOutcomeUnknown'])

/** The gate in front of the log of this configuration. @throws LogElsewhere when EVENT_STORE does not say where the log is */
export const openGate = async (parts: {
  readonly pool: Pool
  readonly engine: string
  readonly log: { readonly info: (text: string) => void; readonly warn: (text: string) => void }
  readonly onLeaving: (why: LogElsewhere) => void
}): Promise<LogGate> => openLogGate({ ...parts, isLastWord: ({ events }) => events.every(({ type }) => results.has(type)) })
