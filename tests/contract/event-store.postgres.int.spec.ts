import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { newAttachmentSeal } from '../support/attachments.ts'
import { freshDatabase } from '../support/database.ts'
import { eventStoreContract } from './event-store.contract.ts'

eventStoreContract('on PostgreSQL', async () => {
  const database = await freshDatabase()
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 12, name: 'contract' })
  const attachments = await newAttachmentSeal(pool)
  return {
    make: (options = {}) => createPostgresEventStore({ pool, listenUrl: database.url, attachments, ...options }),
    async end() {
      await pool.end()
      await database.drop()
    },
  }
})
