import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import type { Moments } from '../../projections/engine/moments.ts'
import type { Projection } from '../../projections/engine/projection.ts'
import type { ProblemCode } from '../http/codes.ts'
import { problem } from '../http/problem.ts'

/** What a list is asked of: the present read models, or those of a moment with the position that this came to. Knows the read models that it needs. */
export type ReaderAt = (
  tenantId: string,
  projections: readonly Projection[],
  moment: Date | Position | undefined,
) => Promise<{ readonly queries: TenantQueries; readonly position: Position | undefined }>

/** What a list may be answered with when a moment is asked for. */
export const momentProblems = ['moment_preparing', 'moment_too_long'] as const satisfies readonly ProblemCode[]

/**
 * 503 with Retry-After while a list is being built, and not 202: whoever asks for a list gets a list or a problem, and every client that knows how to wait
 * for a 503 waits for this one.
 */
export function createReaderAt({ reader, logOf, moments }: { reader: TenantQueries; logOf: TenantLogs; moments: Pick<Moments, 'at'> }): ReaderAt {
  return async (tenantId, projections, moment) => {
    if (moment === undefined) return { queries: reader, position: undefined }
    const position = await logOf(tenantId).positionAt(moment)
    const answer = await moments.at({ tenantId, projections, position })
    if ('queries' in answer) return { queries: answer.queries, position }
    throw 'tooLong' in answer ? problem('moment_too_long') : problem('moment_preparing', { retryAfterSeconds: 1 })
  }
}
