import type { Actor } from './envelope.ts'

/**
 * What every command carries beside its wish. `commandId` is the idempotency of the whole system: the same command id gives the same event ids,
 * so it must derive from what is being done (an Idempotency-Key, a wamid and kind), and only be random where a repeat is a new wish.
 */
export type CommandContext = {
  readonly tenantId: string
  readonly actor: Actor
  readonly commandId: string
  readonly correlationId: string
  readonly causationId: string
  readonly at: Date
  /** The client's address, sealed: see `EventMeta`. */
  readonly ip?: string
  readonly traceparent?: string
}
