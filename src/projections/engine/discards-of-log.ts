import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { DomainEvent } from '../../domain/catalogue.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { checkpointOf } from '../../postgres/lease.ts'
import { pause } from '../../postgres/pause.ts'

const checkpoint = 'discards'
const types = ['ParkedEventDiscarded']
const restMs = 10_000

type Following = {
  readonly pool: Pool
  readonly store: Pick<EventStore, 'subscribe' | 'readStream'>
  readonly signal: AbortSignal
  readonly log: Logger
}

/**
 * What people discarded is in the log; writers of rows look it up in `es.discarded_events`, and that is made of the log like everything else. So a log
 * that was restored or copied without its tables keeps what was decided about its events.
 *
 * FOLLOWING the log from the checkpoint → DISTURBED (store or database away) → from the checkpoint again. `known` resolves once the end of the log was
 * met: read models begin behind it. Every process with workers does this, without a lease: it only inserts what cannot be but equal, and the checkpoint
 * never goes back.
 */
export function followDiscards({ pool, store, signal, log }: Following): { readonly known: Promise<void>; readonly done: Promise<void> } {
  const { promise: known, resolve } = Promise.withResolvers<void>()
  let moved = Number.NEGATIVE_INFINITY
  const done = (async () => {
    do {
      await follow().catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, 'discarded events could not be followed, trying again')
      })
    } while (await pause(1_000, signal))
    resolve()
  })()

  async function follow(): Promise<void> {
    const after = (await checkpointOf(pool, checkpoint)) ?? start
    for await (const delivery of store.subscribe({ after, filter: { types }, signal })) {
      const found = delivery.kind === 'page' ? delivery.events : []
      for (const event of found) await note(event)
      // The tip is met many times a second, and nothing is lost by looking at ten seconds of it again.
      if (found.length > 0 || performance.now() - moved > restMs) await moveTo(delivery.through)
      if (delivery.kind === 'caught-up') resolve()
    }
  }

  /** By stream and version, and not by the position that was noted with it: that was one of the engine of its time. */
  async function note(discard: RecordedEvent): Promise<void> {
    const said = fromStored<DomainEvent>(discard)
    if (said.type !== 'ParkedEventDiscarded') return
    const { tenantId, id: projection } = discard.stream
    const { category, id, version } = said.event
    for await (const event of store.readStream({ tenantId, category, id }, { after: version - 1, upTo: version })) {
      await pool.query(
        'insert into es.discarded_events (tenant_id, projection, position, stream_key) values ($1, $2, $3, $4) on conflict do nothing',
        [tenantId, projection, BigInt(event.position).toString(), said.row],
      )
    }
  }

  async function moveTo(position: Position): Promise<void> {
    moved = performance.now()
    await pool.query(
      `insert into es.subscriptions as s (name, position) values ($1, $2)
       on conflict (name) do update set position = excluded.position, updated_at = clock_timestamp() where s.position < excluded.position`,
      [checkpoint, BigInt(position).toString()],
    )
  }

  return { known, done }
}
