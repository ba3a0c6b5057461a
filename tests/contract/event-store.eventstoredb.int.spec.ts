import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { newAttachmentSeal } from '../support/attachments.ts'
import { freshDatabase } from '../support/database.ts'
import { eventStoreDbServer } from '../support/eventstoredb-server.ts'
import { eventStoreContract, type MakeStore } from './event-store.contract.ts'

async function open() {
  const server = await eventStoreDbServer()
  const database = await freshDatabase()
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'contract' })
  const attachments = await newAttachmentSeal(pool)
  return {
    make: (options: Parameters<MakeStore>[0] = {}) => createEventStoreDbEventStore({ url: server.url, attachments, ...options }),
    async end() {
      await pool.end()
      await database.drop()
      await server.stop()
    },
  }
}

eventStoreContract('on EventStoreDB', open)
/** Deliveries share appends, and their streams stand in two places. */
eventStoreContract('on EventStoreDB, for deliveries', open, { category: 'delivery' })
