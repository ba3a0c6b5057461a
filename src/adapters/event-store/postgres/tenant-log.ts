import type { Pool } from 'pg'
import { noAttachments, type AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore, LogPage, TenantLogs } from '../../../domain/kernel/event-store.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import { inTenant } from '../../../postgres/transaction.ts'
import { readPage, readStreamPages, type Ask } from './read-log.ts'

/**
 * The log as one tenant may see it, by connections of the role `recado_api`: row level security on the events and their bodies stands behind the WHERE,
 * so a wrong stream, filter or join finds nothing instead of a neighbour's mail.
 * `head` is asked of the whole log, beforehand: behind the wall nobody knows how long it is, and a page has to say how far it was looked at.
 */
export function createTenantLogs({
  pool,
  head,
  attachments: seal = noAttachments,
}: {
  pool: Pool
  head: EventStore['head']
  attachments?: AttachmentSeal
}): TenantLogs {
  return (tenantId) => {
    const ask: Ask = ({ values, ...statement }) => inTenant(pool, tenantId, statement, values)
    return {
      async *readStream(stream, options = {}): AsyncGenerator<RecordedEvent> {
        for await (const events of readStreamPages(ask, stream, { ...options, attachments: options.attachments === true ? seal : undefined }))
          yield* events
      },
      async readAll({ after, filter = {}, limit, attachments = false }): Promise<LogPage> {
        const tip = Number((await head()).position)
        for (let from = Number(after); ;) {
          const { events, through } = await readPage(ask, {
            after: from,
            filter: { tenantId, ...filter },
            limit,
            attachments: attachments ? seal : undefined,
            tip,
          })
          if (events.length > 0 || through === from) return { events, through: positionOf(through) }
          from = through
        }
      },
      async positionAt(moment): Promise<Position> {
        const [asked, value] = moment instanceof Date ? ['es.position_at($1)', moment.toISOString()] : ['es.position_through($1)', boundedBy(moment)]
        const [row] = await inTenant<{ position: string }>(pool, tenantId, `select ${asked} as position`, [value])
        return positionOf(row?.position ?? 0)
      },
    }
  }
}

/** A position from outside may have twenty digits; bigint ends before. */
const boundedBy = (position: Position): string => String(BigInt(position) > lastBigint ? lastBigint : BigInt(position))
const lastBigint = 9_223_372_036_854_775_807n
