import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anyEvent } from '../../../tests/support/any-event.ts'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { foldPages } from '../../../tests/support/fold.ts'
import { indexOf, scanOf } from '../../../tests/support/scan.ts'
import { append, believable } from '../../../tests/support/twins.ts'
import fc from 'fast-check'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { start } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { projections } from '../index.ts'
import { snake, tableOf } from './naming.ts'
import { rowTable } from './rows.ts'
import { keyDefinition, tableDefinition } from './tables.ts'
import { verifySample } from './verify.ts'

describe('the verification of a rebuilt read model', () => {
  let home: TestDatabase
  let pool: Pool
  let log: readonly RecordedEvent[]
  const store = createMemoryEventStore()
  const source = { store, scan: scanOf(store), index: indexOf(store) }

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'owner', max: 3, name: 'owner' })
    // What begins a row comes first, else hardly any of some kinds would begin.
    const begins = new Set<string>(projections.filter(({ name }) => name !== 'audit').flatMap(({ creates = [] }) => creates))
    // And nothing ends: whatever the catalogue holds one day, each read model has rows.
    const happened = fc.sample(anyEvent, { numRuns: 3_000, seed: 7 }).filter(([, { type }]) => !/Removed$|Deleted$/.test(type))
    await append(store, believable(happened.toSorted(([, one], [, other]) => Number(begins.has(other.type)) - Number(begins.has(one.type)))))
    log = (await store.readAll({ after: start, limit: 100_000 })).events
  })
  afterAll(async () => {
    await store.close()
    await pool.end()
    await home.drop()
  })

  it.each(projections.map((projection) => [projection.name, projection] as const))(
    'looks at rows of %s, and finds one that is wrong',
    async (_name, projection) => {
      const schema = `verified_${tableOf(projection)}`
      await pool.query(tableDefinition(projection, schema))
      await pool.query(keyDefinition(projection, schema))
      const rows = [...foldPages(projection, [log]).rows].map(([key, row]) => ({ tenantId: key.slice(0, 36), id: row.id, row }))
      for (const { text, values = [] } of rowTable(projection, schema).write(rows)) await pool.query({ text, values: [...values] })
      await pool.query(`analyze ${schema}.${tableOf(projection)}`)
      const look = () => verifySample({ pool, log: source }, projection, { schema, subscription: 'nobody', position: log.at(-1)?.position ?? start })
      expect(await look()).toBe(Math.min(rows.length, 50))
      expect(rows.length).toBeGreaterThan(0)

      const [column = 'name', type = 'text'] = Object.entries(projection.table.columns).find(([, one]) => one === 'int4') ?? []
      const name = snake(column)
      const wrong = type === 'int4' ? `coalesce(${name}, 0) + 1` : `${name} || '!'`
      await pool.query(`update ${schema}.${tableOf(projection)} set ${name} = ${wrong}`)
      await expect(look()).rejects.toThrow('is not what its events say')
    },
  )
})
