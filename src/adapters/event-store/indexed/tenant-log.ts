import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventsAt } from '../../../domain/kernel/event-places.ts'
import type { EventStore, LogPage, LogRead, TenantLogs } from '../../../domain/kernel/event-store.ts'
import { later, type Position } from '../../../domain/kernel/position.ts'
import { reach, type Place, type Places } from '../places/places.ts'
import { readPlaces } from './read-places.ts'

/** A page ends with the event that reaches this, as on PostgreSQL: bodies of deliveries may be megabytes each. */
const pageBytes = 16 * 1024 * 1024
/** Events with their bodies that are fetched before the sum is looked at. */
const withBodies = 20

type Sources = { readonly store: Pick<EventStore, 'readStream' | 'head'>; readonly places: Pick<Places, 'of' | 'at' | 'indexed' | 'waitFor'> }

/**
 * The log as one tenant may see it, on an engine that has no walls: which events are the tenant's is asked of the index, behind row level security, and
 * the engine is asked for these by stream and version. A stream of somebody else is never asked for, whatever is wanted.
 */
export function createTenantLogs({ store, places }: Sources): TenantLogs {
  return (tenantId) => ({
    async *readStream(stream, options = {}): AsyncGenerator<RecordedEvent> {
      if (stream.tenantId !== tenantId) return
      for await (const event of store.readStream(stream, options)) {
        if (event.stream.tenantId !== tenantId) throw new Error('the engine answered with an event of another tenant')
        yield event
      }
    },
    readAll: async (read) => readAll({ store, places }, tenantId, read),
    async positionAt(moment): Promise<Position> {
      await reachTip({ store, places }, moment instanceof Date ? undefined : moment)
      return places.at(tenantId, moment)
    },
  })
}

/** The events at places that a read model kept: no index is needed, only the wall. */
export const createEventsAt =
  (store: Pick<EventStore, 'readStream'>): EventsAt =>
  async (tenantId, places) =>
    readPlaces(store, tenantId, places)

/** What was acknowledged before the question is in the answer: the index is waited for up to the head of now, or as far as is asked. */
async function reachTip({ store, places }: Sources, asked?: Position): Promise<void> {
  if (asked !== undefined && (await places.waitFor(asked, 0))) return
  const { position: head } = await store.head()
  await reach(places, asked === undefined || asked > head ? head : asked)
}

async function readAll({ store, places }: Sources, tenantId: string, { after, filter = {}, limit, attachments = false }: LogRead): Promise<LogPage> {
  await reachTip({ store, places })
  // Before the rows: what is indexed meanwhile belongs to the next page.
  const through = later(after, await places.indexed())
  if (filter.tenantId !== undefined && filter.tenantId !== tenantId) return { events: [], through }
  for (let from = after; ;) {
    const wanted = await places.of(tenantId, { after: from, through, types: filter.types, limit })
    const { events, reached } = await fetch(store, tenantId, wanted, attachments)
    const end = reached ?? (wanted.length === limit ? (wanted.at(-1)?.position ?? through) : through)
    // A page without events says that the tip was reached: streams that are gone for good must not look like it.
    if (events.length > 0 || end >= through) return { events, through: end }
    from = end
  }
}

/** `reached`: the place of the last one when weight ended it. */
async function fetch(
  store: Pick<EventStore, 'readStream'>,
  tenantId: string,
  wanted: readonly Place[],
  attachments: boolean,
): Promise<{ events: readonly RecordedEvent[]; reached?: Position }> {
  if (!attachments) return { events: (await readPlaces(store, tenantId, wanted)).filter((event) => event !== undefined) }
  const events: RecordedEvent[] = []
  let bytes = 0
  for (let from = 0; from < wanted.length; from += withBodies) {
    const some = wanted.slice(from, from + withBodies)
    const read = await readPlaces(store, tenantId, some, { attachments })
    for (const [nth, event] of read.entries()) {
      if (event === undefined) continue
      events.push(event)
      bytes += JSON.stringify(event.data).length + (event.attachment?.byteLength ?? 0)
      if (bytes >= pageBytes) return { events, reached: some[nth]?.position ?? event.position }
    }
  }
  return { events }
}
