import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore, LogFilter } from '../../../domain/kernel/event-store.ts'
import { justBefore, type Position } from '../../../domain/kernel/position.ts'
import { checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { inOneFlight, type Statement } from '../../../postgres/transaction.ts'
import { PublicationTrouble, type EventAt, type OpenPublication, type Publication, type Reached } from '../../ports/publication.ts'
import { createDisturbance, type Disturbance, type TroubleNews } from './disturbance.ts'

export type PublisherNews = { readonly kind: 'published'; readonly position: Position; readonly items: number } | TroubleNews

export type RunPublisher<Item> = {
  readonly publication: Publication<Item>
  readonly store: Pick<EventStore, 'subscribe' | 'readAll'>
  readonly filter?: LogFilter
  /** What a page of events comes to, in the order in which it is to be published. */
  readonly prepare: (events: readonly RecordedEvent[], through: Position, signal: AbortSignal) => Promise<readonly Item[]> | readonly Item[]
  readonly pool: Pool
  readonly owner: string
  readonly log: Logger
  readonly signal: AbortSignal
  /** Goes into the transaction that stores how far we are: for readers who cannot ask the other side. */
  readonly alongside?: (reached: Reached) => readonly Statement[]
  readonly onNews?: (news: PublisherNews) => void
  readonly pageSize?: number
}

const leaseMs = 10_000

/** The name of the lease, and of the checkpoint in our database. */
export const publisherOf = (publication: { readonly name: string }): string => `kafka:${publication.name}`

/**
 * Publishes the log as it grows.
 *
 * WAITING (another process has the lease) → OPENING → PUBLISHING → DISTURBED (the other side, the store or the database is away) → OPENING …
 * Invariant: where to go on is read from the other side at every opening, where it was written together with what was published; so a page is there once,
 * whatever became of us. The checkpoint in our database is told after it, for others to see how far we are; it may lag behind, it decides nothing.
 * Nobody waits for this: what cannot be published stays in the log.
 */
export async function runPublisher<Item>(options: RunPublisher<Item>): Promise<void> {
  const { publication, pool, owner, log, signal } = options
  const disturbance = createDisturbance(options)
  await holdLease(
    {
      pool,
      name: publisherOf(publication),
      owner,
      ttlMs: leaseMs,
      signal,
      onChange: (change, error) => log.debug({ change, err: error, topic: publication.name }, 'publisher lease'),
    },
    async (lease, held) => {
      let open: OpenPublication<Item> | undefined
      try {
        open = await publication.open(held)
        await follow(options, open, lease, held, disturbance)
      } catch (error) {
        if (isLeaseLost(error)) throw error
        if (held.aborted) return
        await disturbance.happened(error, held)
      } finally {
        await open?.close()
      }
    },
  )
}

async function follow<Item>(
  { publication, store, filter, prepare, pool, log, alongside, onNews, pageSize = 1_000 }: RunPublisher<Item>,
  open: OpenPublication<Item>,
  lease: Lease,
  held: AbortSignal,
  disturbance: Disturbance,
): Promise<void> {
  await checkThatItIsThisLog(store, publication, open.last)
  let stored = lease.position
  const tell = async (reached: Reached, items: number): Promise<void> => {
    await inOneFlight(pool, [checkpointStatement({ ...lease, from: stored, to: reached.position }), ...(alongside?.(reached) ?? [])])
    stored = reached.position
    onNews?.({ kind: 'published', position: stored, items })
  }
  // Ordinary where little of the log is published: events that come to nothing are told here, and not there. That something is missing there was found by `open`.
  if (open.reached.position < stored)
    log.debug({ topic: publication.name, there: open.reached.position, told: stored }, 'going on from what the topic says')
  await tell(open.reached, 0)

  for await (const page of store.subscribe({
    after: open.reached.position,
    ...(filter === undefined ? {} : { filter }),
    signal: held,
    pageSize,
  })) {
    for (const part of parts(page.kind === 'page' ? page.events : [], page.through, (at) => disturbance.care(at)?.size ?? pageSize)) {
      if (part.through > stored) {
        const items = part.events.length === 0 ? [] : await prepare(part.events, part.through, held)
        const placesOnly = disturbance.care(part.through)?.placesOnly ?? false
        disturbance.trying(part.through, part.events.length)
        await tell(await open.publish(items, part.through, { placesOnly }), items.length)
      }
      disturbance.over()
    }
  }
}

/** A page, whole as a rule; in pieces while something in it is looked for that the other side refuses. */
function* parts(
  events: readonly RecordedEvent[],
  through: Position,
  sizeAt: (through: Position) => number,
): Generator<{ readonly events: readonly RecordedEvent[]; readonly through: Position }> {
  let rest = events
  do {
    const size = sizeAt(rest[0]?.position ?? through)
    const now = rest.slice(0, size)
    rest = rest.slice(size)
    yield { events: now, through: rest.length === 0 ? through : (now.at(-1)?.position ?? through) }
  } while (rest.length > 0)
}

/** A topic that was written from another log (restored to another state, moved to another engine) has other events at our positions. */
async function checkThatItIsThisLog(
  store: Pick<EventStore, 'readAll'>,
  { name }: { readonly name: string },
  last: EventAt | undefined,
): Promise<void> {
  if (last === undefined) return
  const { events } = await store.readAll({ after: justBefore(last.position), limit: 1 })
  if (events[0]?.id === last.id && events[0].position === last.position) return
  const text = `What is in ${name} was published from another log, or from this one before it was restored: its last event is not at its place here.`
  throw new PublicationTrouble('unfit', `${text} Choose another KAFKA_TOPIC_PREFIX, which publishes everything again.`)
}
