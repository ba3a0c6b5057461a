import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createAttachmentSeal } from '../../src/adapters/keyring/attachment-seal.ts'
import { StoreUnavailable } from '../../src/domain/kernel/event-store.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { someEvents } from './events.ts'
import { glassVault } from './glass-vault.ts'

/**
 * A taker of webhooks to be killed: `node delivery-writer.ts '{"url","tenantId","ids","callers"}'` stores deliveries of those ids in any order, each of them
 * perhaps more than once, for ever; and prints the id of every acknowledged one on a line of its own, after the acknowledgement.
 */
type Task = { readonly url: string; readonly tenantId: string; readonly ids: readonly string[]; readonly callers: number }
const task = JSON.parse(process.argv[2] ?? '{}') as Task
const store = createEventStoreDbEventStore({ url: task.url, attachments: createAttachmentSeal(glassVault) })

async function caller(): Promise<void> {
  for (;;) {
    const id = task.ids[Math.floor(Math.random() * task.ids.length)] ?? ''
    // As Meta's deliveries are: the same bytes have the same event in the same stream, whoever gets them.
    const events = someEvents(1, { id, type: 'WebhookReceived', attachment: Buffer.from(`the body of ${id}`) })
    try {
      const { outcome } = await store.append({ stream: streamRef('delivery', task.tenantId, id), expected: 0, events })
      process.stdout.write(`${outcome === 'conflict' ? 'conflict' : id}\n`)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

await Promise.all(Array.from({ length: task.callers }, caller))
