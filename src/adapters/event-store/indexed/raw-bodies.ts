import { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { RawBodies } from '../../../commands/ports/raw-bodies.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { positionOf, start, type Position } from '../../../domain/kernel/position.ts'

/** Events that carry a raw body. */
const bodyTypes = ['WebhookReceived']
/** How old a mark may be that is believed: what another process marks is gone here this much later. */
const believedMs = 5_000
const day = 86_400

type Mark = { readonly before: Date; readonly through: Position }

export type MarkedBodies = RawBodies & {
  /** Whether the body of this event counts as removed. */
  readonly purged: (event: Pick<RecordedEvent, 'stream' | 'recordedAt' | 'position'>) => Promise<boolean>
}

/**
 * Raw bodies of an engine that forgets by age only, and not for one tenant: what a tenant no longer keeps is marked (es.attachment_purges) and not handed
 * out from then on; the bytes, sealed, go when the engine's own age is reached, which is that of whoever keeps longest.
 * @param pool connections of the role recado_worker
 * @param age sets that age in seconds; undefined: for good, because somebody wants that
 */
export function createMarkedBodies({ pool, age }: { pool: Pool; age?: (seconds: number | undefined) => Promise<void> }): MarkedBodies {
  const marks = new LRUCache<string, Promise<Mark>>({ max: 10_000, ttl: believedMs })

  async function load(tenantId: string): Promise<Mark> {
    const { rows } = await pool.query<{ before: Date | null; through: string | null }>({
      name: 'body_mark',
      text: 'select max(before) as before, max(through) as through from es.attachment_purges where tenant_id = $1',
      values: [tenantId],
    })
    const { before, through } = rows[0] ?? { before: null, through: null }
    return { before: before ?? new Date(0), through: through === null ? start : positionOf(through) }
  }

  function markOf(tenantId: string): Promise<Mark> {
    const known = marks.get(tenantId)
    if (known !== undefined) return known
    const asked = load(tenantId)
    marks.set(tenantId, asked)
    asked.catch(() => marks.delete(tenantId))
    return asked
  }

  return {
    async purged({ stream, recordedAt, position }) {
      const { before, through } = await markOf(stream.tenantId)
      return recordedAt < before && position <= through
    },
    async purge(kept, processed, signal) {
      let bodies = 0
      for (const { tenantId, before } of kept) {
        if (signal.aborted) break
        const { rows } = await pool.query<{ gone: string }>('select es.mark_attachment_purge($1, $2, $3, $4) as gone', [
          tenantId,
          before,
          BigInt(processed).toString(),
          bodyTypes,
        ])
        bodies += Number(rows[0]?.gone ?? 0)
        marks.delete(tenantId)
      }
      // Where nobody ever said so there is nothing to set: the server keeps what it is not told to forget.
      if (!signal.aborted && (kept.length > 0 || (await wasMarked(pool)))) await age?.(await longestKept(pool, kept))
      return { bodies, months: [] }
    },
  }
}

async function wasMarked(pool: Pool): Promise<boolean> {
  return (await pool.query('select from es.attachment_purges limit 1')).rowCount !== 0
}

/** How many seconds the one that keeps longest keeps, a day added; undefined when somebody with deliveries keeps them for good. */
async function longestKept(pool: Pool, kept: readonly { readonly tenantId: string; readonly before: Date }[]): Promise<number | undefined> {
  const { rows } = await pool.query<{ forever: boolean }>({
    text: `select exists (
        select from (select distinct tenant_id from es.places where version = 1 and stream_id ^@ 'delivery-') d where d.tenant_id <> all ($1::uuid[])
      ) as forever`,
    values: [kept.map(({ tenantId }) => tenantId)],
  })
  if (rows[0]?.forever !== false || kept.length === 0) return undefined
  const oldest = Math.min(...kept.map(({ before }) => before.getTime()))
  return Math.ceil((Date.now() - oldest) / 1_000) + 2 * day
}

/** The same log, in which what was purged has no body. For engines whose adapter does not look at the marks itself. */
export function withoutPurged(store: EventStore, { purged }: Pick<MarkedBodies, 'purged'>): EventStore {
  const shown = async (event: RecordedEvent): Promise<RecordedEvent> => {
    if (event.attachment === undefined || !(await purged(event))) return event
    const { attachment: _, ...rest } = event
    return rest
  }
  const all = async (events: readonly RecordedEvent[]): Promise<readonly RecordedEvent[]> => Promise.all(events.map(shown))
  return {
    ...store,
    async *readStream(stream, options) {
      for await (const event of store.readStream(stream, options)) yield options?.attachments === true ? await shown(event) : event
    },
    async readAll(read) {
      const page = await store.readAll(read)
      return read.attachments === true ? { ...page, events: await all(page.events) } : page
    },
    async *subscribe(subscription) {
      for await (const delivery of store.subscribe(subscription)) {
        yield subscription.attachments === true && delivery.kind === 'page' ? { ...delivery, events: await all(delivery.events) } : delivery
      }
    },
  }
}
