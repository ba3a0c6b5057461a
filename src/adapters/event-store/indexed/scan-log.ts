import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { LogScan, Scan, ScanPage } from '../../../domain/kernel/log-scan.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { reach, type Place, type Places } from '../places/places.ts'
import { readPlaces } from './read-places.ts'

const pageSize = 2_000
/** A tenant with at least every so manyeth event of a stretch is read along the log: 30 k events/s in order, against some thousand by their places. */
const dense = 8

type Sources = { readonly store: Pick<EventStore, 'readAll' | 'readStream'>; readonly places: Pick<Places, 'of' | 'waitFor'> }

/** A stretch of the log over the port alone: the next page is on its way while one is worked on. One tenant's events are found by the index. */
export const createLogScan = ({ store, places }: Sources): LogScan =>
  async function* scan(wanted) {
    const { tenantId } = wanted
    const pages = tenantId === undefined ? alongTheLog(store, wanted) : ofTenant({ store, places }, { ...wanted, tenantId })
    yield* oneAhead(pages, wanted)
  }

/** The last page's `through` is the scan's, also when there was nothing to read. */
async function* oneAhead(pages: AsyncGenerator<ScanPage>, { after, through, signal }: Scan): AsyncGenerator<ScanPage> {
  let last = after
  let coming = pages.next()
  try {
    for (;;) {
      signal?.throwIfAborted()
      const page = await coming
      if (page.done === true) break
      coming = pages.next()
      // Nobody may be there to hear of it any more when the next page fails.
      coming.catch(() => undefined)
      last = page.value.through
      yield page.value
    }
  } finally {
    await coming.catch(() => undefined)
    await pages.return(undefined)
  }
  signal?.throwIfAborted()
  if (last < through) yield { events: [], through }
}

async function* alongTheLog(store: Sources['store'], { after, through, types, tenantId }: Scan): AsyncGenerator<ScanPage> {
  const filter = { ...(types === undefined ? {} : { types }), ...(tenantId === undefined ? {} : { tenantId }) }
  for (let from = after; from < through;) {
    const page = await store.readAll({ after: from, filter, limit: pageSize })
    const events = page.events.filter(({ position }) => position <= through)
    const end = page.through < through ? page.through : through
    yield { events, through: end }
    if (page.through <= from) return
    from = page.through
  }
}

async function* ofTenant({ store, places }: Sources, wanted: Scan & { readonly tenantId: string }): AsyncGenerator<ScanPage> {
  const { tenantId, through, types } = wanted
  await reach(places, through)
  for (let after = wanted.after; after < through;) {
    const some = await places.of(tenantId, { after, through, types, limit: pageSize })
    const end: Position = some.length === pageSize ? (some.at(-1)?.position ?? through) : through
    if (isDense(some)) yield* alongTheLog(store, { ...wanted, after, through: end })
    else {
      const events = await readPlaces(store, tenantId, some)
      yield { events: events.filter((event) => event !== undefined), through: end }
    }
    after = end
  }
}

function isDense(places: readonly Place[]): boolean {
  const [first, last] = [places[0], places.at(-1)]
  return first !== undefined && last !== undefined && places.length >= pageSize / 10 && (last.nth - first.nth) / places.length < dense
}
