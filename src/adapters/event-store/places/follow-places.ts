import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { StoreUnavailable, type EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { checkpointStatement, holdLease, isLeaseLost, LeaseLost } from '../../../postgres/lease.ts'
import { pause } from '../../../postgres/pause.ts'
import { inOneFlight, type Statement } from '../../../postgres/transaction.ts'
import { streamIdOf } from '../prepared.ts'

export const placesSubscription = 'places'

const leaseMs = 5_000
const pageSize = 2_000
const longestWaitMs = 10_000

export type FollowPlaces = {
  readonly store: Pick<EventStore, 'subscribe'>
  /** Connections of the role recado_worker. */
  readonly pool: Pool
  /** Another one for every process and every start of it. */
  readonly owner: string
  readonly log: Pick<Logger, 'warn' | 'error'>
  readonly signal: AbortSignal
  /** Told in the process that does it; the others ask the checkpoint. */
  readonly onIndexed?: (position: Position) => void
}

/**
 * Writes down where every event stands, in log order, until `signal`. Every process offers itself, one does it:
 * WAITING (another process has the lease) → FOLLOWING → WAITING … ; disturbed by the database or the engine it goes on from its checkpoint.
 * Invariant: the rows of a page and the checkpoint are one transaction that begins with a compare-and-set, so each event has one row and one number, and
 * the index reaches exactly as far as its checkpoint.
 */
export async function followPlaces({ store, pool, owner, log, signal, onIndexed }: FollowPlaces): Promise<void> {
  let disturbances = 0
  await holdLease({ pool, name: placesSubscription, owner, ttlMs: leaseMs, retryMs: 500, stays: true, signal }, async (lease, held) => {
    let { position } = lease
    try {
      for await (const delivery of store.subscribe({ after: position, signal: held, pageSize })) {
        if (delivery.through > position) {
          const advance = checkpointStatement({ name: lease.name, token: lease.token, from: position, to: delivery.through })
          const rows = delivery.kind === 'page' && delivery.events.length > 0 ? [insertion(delivery.events)] : []
          await inOneFlight(pool, [advance, ...rows])
          position = delivery.through
        }
        disturbances = 0
        onIndexed?.(position)
      }
    } catch (error) {
      if (isLeaseLost(error)) throw new LeaseLost(lease.name, { cause: error })
      if (held.aborted) return
      // A checkpoint ahead of the log is another log's: an index of two logs would mix them up, so it stands still and says so.
      if (error instanceof RangeError)
        log.error({ err: error }, 'the index of the log belongs to another log: es.places and its checkpoint have to be emptied')
      else if (isTwice(error)) log.error({ err: error }, 'the index of the log stands still: the log holds the beginning of a delivery twice')
      else if (!(error instanceof StoreUnavailable)) log.warn({ err: error }, 'the index of the log was disturbed, going on from its checkpoint')
      await pause(Math.min(longestWaitMs, 100 * 2 ** Math.min(disturbances++, 7)), held)
    }
  })
}

const isTwice = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'constraint' in error && error.constraint === 'places_deliveries'

/** The number goes on from the last one: behind the compare-and-set there is nobody else who could give one. */
function insertion(events: readonly RecordedEvent[]): Statement {
  return {
    name: 'places_insert',
    text: `insert into es.places (tenant_id, position, nth, recorded_at, stream_id, version, event_id, type)
      select u.tenant_id, u.position, coalesce((select p.nth from es.places p order by p.position desc limit 1), 0) + u.place,
        u.recorded_at, u.stream_id, u.version, u.event_id, u.type
      from unnest($1::uuid[], $2::int8[], $3::timestamptz[], $4::text[], $5::int4[], $6::uuid[], $7::text[])
        with ordinality as u (tenant_id, position, recorded_at, stream_id, version, event_id, type, place)`,
    values: [
      binaryArray(
        'uuid',
        events.map(({ stream }) => stream.tenantId),
      ),
      binaryArray(
        'int8',
        events.map(({ position }) => position),
      ),
      binaryArray(
        'timestamptz',
        events.map(({ recordedAt }) => recordedAt),
      ),
      binaryArray(
        'text',
        events.map(({ stream }) => streamIdOf(stream)),
      ),
      binaryArray(
        'int4',
        events.map(({ version }) => version),
      ),
      binaryArray(
        'uuid',
        events.map(({ id }) => id),
      ),
      binaryArray(
        'text',
        events.map(({ type }) => type),
      ),
    ],
  }
}
