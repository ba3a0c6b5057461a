import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase } from '../support/database.ts'
import { eventStoreContract } from './event-store.contract.ts'

eventStoreContract('on PostgreSQL', async () => {
  const database = await freshDatabase()
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 12, name: 'contract' })
  return {
    make: (options = {}) => createPostgresEventStore({ pool, listenUrl: database.url, ...options }),
    async end() {
      await pool.end()
      await database.drop()
    },
  }
})
