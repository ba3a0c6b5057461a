import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { freshDatabase } from '../../../../tests/support/database.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { createPool } from '../../../postgres/pool.ts'
import { createHistoryDeliveries } from './history-deliveries.ts'
import { createIntakeMemory } from './memory.ts'

it('a delivery of history that fails every time does not keep those behind it out, and is tried again when its trouble is over', async () => {
  const home = await freshDatabase()
  const pool = createPool({ url: home.url, role: 'recado_worker', max: 4, name: 'history' })
  const applied: string[] = []
  let broken = true
  const history = createHistoryDeliveries({
    pool,
    memory: createIntakeMemory(pool),
    store: { readStream: (stream: { id: string }) => [{ stream }].values() } as never,
    handle([delivery]: readonly RecordedEvent[]) {
      const id = delivery?.stream.id ?? ''
      if (id === 'first' && broken) return Promise.reject(new Error('the keys of the tenant cannot be had'))
      applied.push(id)
      return Promise.resolve({ early: [], parked: [], failures: [], items: 0 })
    },
    log: { warn: () => undefined },
  })
  for (const [index, id] of ['first', 'second', 'third'].entries()) {
    await pool.query('insert into work.postponed_deliveries (tenant_id, delivery_id, position) values ($1, $2, $3)', [randomUUID(), id, index + 1])
  }
  const stop = new AbortController()
  const running = history.run(stop.signal)
  await expect.poll(() => applied).toEqual(['second', 'third'])
  broken = false
  await expect.poll(() => applied).toEqual(['second', 'third', 'first'])
  await expect.poll(async () => (await pool.query('select from work.postponed_deliveries')).rowCount).toBe(0)
  stop.abort()
  await running
  await pool.end()
  await home.drop()
}, 30_000)
