import type { Pool, PoolClient } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { pause } from '../../../postgres/pause.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import { recordParked } from '../../deliveries/record-trouble.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
import type { IntakeMemory } from './memory.ts'

export type HistoryDeliveries = {
  /** In the transaction of the intake's checkpoint. */
  readonly postpone: (client: PoolClient, deliveries: readonly RecordedEvent[]) => Promise<unknown>
  /** Works off what is postponed, oldest first, until `signal`. */
  readonly run: (signal: AbortSignal) => Promise<void>
  readonly wake: () => void
}

const idleMs = 60_000
const retryMs = 1_000

/**
 * The history and the address book of a phone, beside the intake and not in its pages: 30,000 old messages were 6 s in which nobody's new ones came through.
 *
 * WAITING (nothing postponed) → ONE delivery → RESTING as long as it took, so that history has half of the machine at most → the next one … → WAITING.
 * DISTURBED (store or database away, or this one delivery cannot be applied) → after a second the one behind it; at the end of them all from the first again.
 * Invariant: a postponed delivery is forgotten only in the transaction after it was applied. A crash repeats one, and commands that repeat themselves
 * change nothing. Order does not matter between history and what comes live: the same is true of both however they meet.
 */
export function createHistoryDeliveries({
  pool,
  store,
  memory,
  handle,
  log,
}: {
  pool: Pool
  store: EventStore
  memory: IntakeMemory
  handle: HandleDeliveries
  log: Pick<Logger, 'warn'>
}): HistoryDeliveries {
  let bell = new AbortController()

  async function next(after: string): Promise<Place | undefined> {
    const { rows } = await pool.query<Place>(
      'select tenant_id as "tenantId", delivery_id as "deliveryId", position from work.postponed_deliveries where position > $1 order by position limit 1',
      [after],
    )
    return rows[0]
  }

  async function apply(place: Place): Promise<void> {
    const { tenantId, deliveryId } = place
    const deliveries = await Array.fromAsync(store.readStream(streamRef('delivery', tenantId, deliveryId), { upTo: 1, attachments: true }))
    const { early, parked } = await handle(deliveries)
    await recordParked(store, parked)
    const rows = parked.flatMap(({ addresses, ...one }) =>
      addresses.map((address) => ({ tenantId: one.tenantId, deliveryId: one.deliveryId, address })),
    )
    await inTransaction(pool, async (client) => {
      await memory.write(client, { outgoing: [], early, earlyDone: [], parked: rows, opened: [], unparked: [] })
      await client.query('delete from work.postponed_deliveries where tenant_id = $1 and delivery_id = $2', [tenantId, deliveryId])
    })
  }

  return {
    wake: () => bell.abort(),
    async postpone(client, deliveries) {
      if (deliveries.length === 0) return
      await client.query(
        `insert into work.postponed_deliveries (tenant_id, delivery_id, position)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[]) on conflict do nothing`,
        [
          binaryArray(
            'uuid',
            deliveries.map(({ stream }) => stream.tenantId),
          ),
          binaryArray(
            'text',
            deliveries.map(({ stream }) => stream.id),
          ),
          deliveries.map(({ position }) => BigInt(position).toString()),
        ],
      )
    },
    async run(signal) {
      // Those up to here were tried: the delivery of one tenant that fails every time must not keep the others' history out.
      let tried = '0'
      while (!signal.aborted) {
        bell = new AbortController()
        let place: Place | undefined
        try {
          place = await next(tried)
          if (place === undefined && tried !== '0') {
            tried = '0'
            await pause(retryMs, signal)
            continue
          }
          if (place === undefined) {
            await pause(idleMs, AbortSignal.any([signal, bell.signal]))
            continue
          }
          const began = performance.now()
          await apply(place)
          await pause(performance.now() - began, signal)
        } catch (error) {
          if (signal.aborted) return
          if (place !== undefined) tried = place.position
          log.warn({ err: error, deliveryId: place?.deliveryId }, 'postponed history could not be worked off; trying again')
          await pause(retryMs, signal)
        }
      }
    },
  }
}

/** `position`: decimal text. */
type Place = { readonly tenantId: string; readonly deliveryId: string; readonly position: string }
