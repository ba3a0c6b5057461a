import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Hub } from './hub.ts'
import type { Listener } from './listener.ts'
import { touchingTypes } from './touch.ts'

/** Further back than this a client is quicker by the query API (the contract's limit). */
const furthest = 10_000
const pageSize = 200

/**
 * Whether more than `limit` events of the tenant lie after a position. The distance in the whole log answers most times;
 * only a quiet tenant of a busy installation has to be counted, in pages that are thrown away.
 */
export async function tooFarBack(store: EventStore, tenantId: string, after: Position, limit = furthest): Promise<boolean> {
  const { position: head } = await store.head()
  if (after > head) return true
  const { events } = await store.distance(after, head)
  if (events !== undefined && events <= limit) return false
  let seen = 0
  for (let cursor = after; cursor < head;) {
    const page = await store.readAll({ after: cursor, filter: { tenantId, types: touchingTypes }, limit: 1000 })
    seen += page.events.length
    if (seen > limit) return true
    if (page.through <= cursor) return false
    cursor = page.through
  }
  return false
}

/**
 * Sends what the client missed after a position, then hands it over to the hub without a gap or a repeat:
 * first up to the tip at the client's own pace; then it is added to the hub, which holds back for it what comes after its mark, and the rest up to the
 * mark is read. What waits is only what happens during that last short read.
 */
export async function resume(hub: Hub, store: EventStore, listener: Listener, after: Position): Promise<void> {
  const tip = (await store.head()).position
  const near = await sendUntil(hub, store, listener, after, tip)
  if (near === undefined) return
  const mark = hub.add(listener, near)
  // The hub looks at a credential again when something after the mark ends it; what ended it while the client was still reading the past lies before.
  await hub.credentialsAt(mark)
  listener.recheck()
  if ((await sendUntil(hub, store, listener, near, mark)) !== undefined) listener.release()
}

/** Sends the tenant's events in (after, until]; the place reached, or undefined when the client has gone. */
async function sendUntil(hub: Hub, store: EventStore, listener: Listener, after: Position, until: Position): Promise<Position | undefined> {
  const filter = { tenantId: listener.tenantId, types: touchingTypes }
  let cursor = after
  while (cursor < until) {
    const page = await store.readAll({ after: cursor, filter, limit: pageSize })
    const events = page.events.filter(({ position }) => position <= until)
    if (events.length > 0) {
      const last = events.at(-1)?.position ?? until
      for (const published of await hub.render(listener.tenantId, events, last)) listener.send(published)
      if (!(await listener.drained())) return undefined
    }
    if (page.through <= cursor) throw new Error('the log did not move on although it is longer')
    cursor = page.through < until ? page.through : until
  }
  return listener.closed() ? undefined : cursor
}
