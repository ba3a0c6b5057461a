import { randomUUID } from 'node:crypto'
import type { IfVersion } from '../../commands/kernel/execute.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { HttpRequest, HttpResponse, Principal } from './principal.ts'

/** One authenticated, parsed request, as a route's handler sees it. */
export type Call<Params, Query, Body> = {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly principal: Principal
  readonly tenantId: string
  readonly requestId: string
  /**
   * For commands. `commandId` derives from tenant, Idempotency-Key and what is asked for, so a request repeated after a crash repeats its event ids;
   * without a key it is random. Several commands of one request need several ids: `step`.
   */
  readonly context: CommandContext
  readonly ifVersion: IfVersion
  /** Of a route that is `audited`: resolved when the entry is durable. */
  readonly accessRecorded: Promise<void>
  /** For the rare route that streams: it answers by itself and returns `sent`. */
  readonly req: HttpRequest
  readonly res: HttpResponse
}

/** What a handler answers with. `position` becomes X-Position, `version` the ETag. */
export type Answer = {
  readonly status: number
  readonly body?: unknown
  readonly position?: Position | undefined
  readonly version?: number | undefined
  readonly location?: string
  /** The read model did not get to the position asked for: X-Stale. Set by the foundation for X-Read-After. */
  readonly stale?: boolean
}

/** The handler wrote to `res` itself (say `Promise<typeof sent>` as its type). Only for reads: such an answer cannot be kept under an Idempotency-Key. */
export const sent = Symbol('sent')

export const ok = (body: unknown, more: Omit<Answer, 'status' | 'body'> = {}): Answer => ({ status: 200, body, ...more })
export const created = (body: unknown, more: Omit<Answer, 'status' | 'body'> = {}): Answer => ({ status: 201, body, ...more })
export const accepted = (body: unknown, more: Omit<Answer, 'status' | 'body'> = {}): Answer => ({ status: 202, body, ...more })
export const noContent = (more: Omit<Answer, 'status' | 'body'> = {}): Answer => ({ status: 204, ...more })

/**
 * The fingerprint is part of the id: when a key is used again for something else long after its record was purged, it is a new wish
 * and must not meet the event ids of the old one.
 */
export function commandContext(principal: Principal, requestId: string, at: Date, idempotent?: { key: string; fingerprint: string }): CommandContext {
  const commandId = idempotent === undefined ? randomUUID() : derivedId('idem', principal.tenantId, idempotent.fingerprint, idempotent.key)
  return { tenantId: principal.tenantId, actor: principal.actor, commandId, correlationId: requestId, causationId: commandId, at }
}
