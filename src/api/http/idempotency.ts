import type { Position } from '../../domain/kernel/position.ts'

/** An answer as it is kept: enough to give it again, byte for byte. `contentType` tells a problem from a good answer. */
export type KeptAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** What a key stands for. `fingerprint` is the hash of who asks, method, address and body. */
export type IdempotentRequest = { readonly tenantId: string; readonly key: string; readonly fingerprint: string }

/**
 * Answers of changing requests by (tenant, Idempotency-Key). States of a key: free → running → answered; a running one whose process died becomes free
 * when its claim lapses, and since command ids derive from the key, running it again repeats the same events instead of making new ones.
 */
export type IdempotencyStore = {
  /** Waits a little for a running one before it says `running`. */
  claim: (request: IdempotentRequest) => Promise<'mine' | 'running' | 'conflict' | { readonly answered: KeptAnswer }>
  keep: (request: IdempotentRequest, answer: KeptAnswer) => Promise<void>
  /** Frees the key: the request came to nothing that should be repeated to the client. */
  release: (request: IdempotentRequest) => Promise<void>
}

/** Waits until the read models have applied a position; false when they did not get there in time. */
export type ReadAfter = (readModels: readonly string[], position: Position, timeoutMs: number) => Promise<boolean>
