import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { platformTenant, streamRef } from '../../../domain/kernel/stream.ts'
import { pause } from '../../../postgres/pause.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import type { HandOver } from '../../deliveries/hand-over.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import { deliveryKey } from '../../deliveries/record-trouble.ts'
import { atMost } from '../../kernel/at-most.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
import type { EarlyStatus, IntakeMemory, OpenedAddress, ParkedPlace } from './memory.ts'

export type UnparkDeliveries = {
  /** Works off what was parked for channels that have been added since, until `signal`. `intakeAt` is how far the intake beside it has come. */
  readonly run: (options: { signal: AbortSignal; intakeAt: () => Position }) => Promise<void>
  /** A page has opened addresses: there may be something to do. */
  readonly wake: () => void
}

/** Deliveries that are handed over before the intake is waited for: so many of a backlog, and not all of it, may stand in the log before anybody else's next one. */
export const portion = 200
const atOnce = 16
/** Nobody has to ring for what another process left: it is looked for at the start, and, should a ring get lost, every minute. */
const idleMs = 60_000
const retryMs = 1_000

/**
 * A number was connected: what was parked for it is handed to its tenant, or done at once where the tenant had it all along.
 *
 * WAITING (no address opened) → a PORTION of one address → WAITING FOR THE INTAKE to pass what that put into the log → the next portion … → the address is
 * done → WAITING. DISTURBED (store or database away) → after a second from WAITING.
 * Invariant: a parked delivery is forgotten only in the transaction after it was handed over, and an address only when all that was parked for it was
 * looked at. A crash repeats at most a portion, and handing over twice does nothing. What still has no owner stays parked and is passed over.
 * Beside the intake and not in a page of it: 50,000 parked deliveries of one number were as many reasons for everybody else to wait.
 */
export function createUnparkDeliveries({ store, directory, memory, handle, handOver, pool, log }: Deps): UnparkDeliveries {
  let bell = new AbortController()

  async function unpark(opened: OpenedAddress, { signal, intakeAt }: { signal: AbortSignal; intakeAt: () => Position }): Promise<void> {
    // Whoever owns the number by now, this process has to know it.
    await directory.waitFor((await store.head()).position)
    for (let after: ParkedPlace | undefined; !signal.aborted;) {
      const rows = await memory.parkedAt(opened.address, { after, limit: portion })
      after = rows.at(-1)
      if (after === undefined) return memory.finishUnparking(opened)
      const { unparked, early } = await workOff(rows)
      const nothing = { outgoing: [], earlyDone: [], parked: [], opened: [] }
      await inTransaction(pool, async (client) => memory.write(client, { ...nothing, early, unparked }))
      const { position } = await store.head()
      while (intakeAt() < position && (await pause(20, signal)));
    }
  }

  async function workOff(rows: readonly ParkedPlace[]): Promise<{ unparked: readonly ParkedPlace[]; early: readonly EarlyStatus[] }> {
    const still = new Set<string>()
    const own: RecordedEvent[] = []
    await atMost(atOnce, rows, async (row) => {
      const delivery = await received(row)
      if (delivery === undefined) return
      if (row.tenantId !== platformTenant) own.push(delivery)
      else if ((await left(delivery)).includes(row.address)) still.add(deliveryKey(row))
    })
    const { parked, early } = own.length === 0 ? { parked: [], early: [] } : await handle(own)
    for (const one of parked) still.add(deliveryKey(one))
    return { unparked: rows.filter((row) => !still.has(deliveryKey(row))), early }
  }

  async function received({ tenantId, deliveryId }: ParkedPlace): Promise<RecordedEvent | undefined> {
    for await (const delivery of store.readStream(streamRef('delivery', tenantId, deliveryId), { upTo: 1, attachments: true })) return delivery
    return undefined
  }

  /** What of it nobody owns. */
  async function left(delivery: RecordedEvent): Promise<readonly string[]> {
    const opened = openDelivery(delivery)
    if ('unreadable' in opened) return []
    const rest = await handOver(delivery, opened)
    return rest === 'all' ? [] : rest
  }

  return {
    wake: () => bell.abort(),
    async run(options) {
      const { signal } = options
      while (!signal.aborted) {
        bell = new AbortController()
        try {
          const opened = await memory.openedAddresses()
          for (const one of opened) await unpark(one, options)
          if (opened.length === 0) await pause(idleMs, AbortSignal.any([signal, bell.signal]))
        } catch (error) {
          if (signal.aborted) return
          log.warn({ err: error }, 'parked deliveries could not be worked off; trying again')
          await pause(retryMs, signal)
        }
      }
    },
  }
}

type Deps = {
  readonly store: EventStore
  readonly directory: { readonly waitFor: (position: Position) => Promise<void> }
  readonly memory: IntakeMemory
  readonly handle: HandleDeliveries
  readonly handOver: HandOver
  readonly pool: Pool
  readonly log: Pick<Logger, 'warn'>
}
