import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { platformTenant, streamRef } from '../../../domain/kernel/stream.ts'
import type { Vault } from '../../../domain/kernel/vault.ts'
import type { HandOver } from '../../deliveries/hand-over.ts'
import { openDelivery } from '../../deliveries/open-delivery.ts'
import { deliveryKey } from '../../deliveries/record-trouble.ts'
import { atMost } from '../../kernel/at-most.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
import type { IntakeMemory, ParkedDelivery } from './memory.ts'

/** `justParked`: what the same page of the log has parked, which is not in the table yet. Answers what waits no longer. */
export type UnparkDeliveries = (channelsAdded: readonly RecordedEvent[], justParked: readonly ParkedDelivery[]) => Promise<readonly ParkedDelivery[]>

const atOnce = 16

/** A number was connected: what was parked for it is handed to its tenant, or done at once where the tenant had it all along. */
export function createUnparkDeliveries({
  store,
  vault,
  directory,
  memory,
  handle,
  handOver,
}: {
  store: EventStore
  vault: Vault
  directory: { waitFor: (position: Position) => Promise<void> }
  memory: IntakeMemory
  handle: HandleDeliveries
  handOver: HandOver
}): UnparkDeliveries {
  return async (channelsAdded, justParked) => {
    const last = channelsAdded.at(-1)
    if (last === undefined) return []
    await directory.waitFor(last.position)
    const addresses = new Set(channelsAdded.flatMap(({ data }) => [`number:${String(data['phoneNumberId'])}`, `waba:${String(data['wabaId'])}`]))
    const waiting = [...(await memory.parkedAt([...addresses])), ...justParked.filter(({ address }) => addresses.has(address))]
    const done = await atMost(atOnce, [...Map.groupBy(waiting, deliveryKey).values()], async (rows) => ((await isDone(rows[0])) ? rows : []))
    return done.flat()
  }

  async function isDone(parked: ParkedDelivery | undefined): Promise<boolean> {
    if (parked === undefined) return true
    const { tenantId, deliveryId } = parked
    for await (const delivery of store.readStream(streamRef('delivery', tenantId, deliveryId), { upTo: 1, attachments: true })) {
      if (tenantId !== platformTenant) {
        const { parked: still } = await handle([delivery])
        return still.length === 0
      }
      const opened = await openDelivery(vault, delivery)
      if (!('unreadable' in opened)) await handOver(delivery, opened)
    }
    return true
  }
}
