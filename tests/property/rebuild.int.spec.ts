import fc from 'fast-check'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createLogScan } from '../../src/adapters/event-store/postgres/scan-log.ts'
import { ownCopy } from '../../src/domain/kernel/envelope.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { derivedId } from '../../src/domain/kernel/ids.ts'
import { start } from '../../src/domain/kernel/position.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { createBulkFold } from '../../src/projections/engine/bulk-fold.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import { snake, tableOf } from '../../src/projections/engine/naming.ts'
import type { AnyRow, Projection } from '../../src/projections/engine/projection.ts'
import { indexesOf, keyDefinition, tableDefinition } from '../../src/projections/engine/tables.ts'
import { projections } from '../../src/projections/index.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'

describe('the fold in memory of a rebuild', () => {
  let home: TestDatabase
  let pool: Pool
  let copyPool: Pool
  let store: EventStore

  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'recado_worker', max: 4, name: 'worker' })
    copyPool = createPool({ url: home.url, role: 'owner', max: 4, name: 'copy', pipeline: false, statementTimeoutMs: 0 })
    store = createPostgresEventStore({ pool, listenUrl: home.url })
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([pool.end(), copyPool.end()])
    await home.drop()
  })

  async function stored(projection: Projection, schema: string): Promise<Map<string, AnyRow>> {
    const columns = Object.entries(projection.table.columns).map(([name, type]) => `${snake(name)}${type === 'json' ? '::text' : ''} as "${name}"`)
    const { rows } = await copyPool.query<AnyRow & { tenant_id: string }>(
      `select tenant_id, ${columns.join(', ')} from ${schema}.${tableOf(projection)}`,
    )
    return new Map(rows.map(({ tenant_id, ...row }) => [rowKey(tenant_id, row.id), row as AnyRow]))
  }

  it('leaves the rows of a plain fold however little memory it has: rows that were written out come back when an event needs them', async () => {
    const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
    let run = 0
    let spills = 0
    await fc.assert(
      fc.asyncProperty(history(120, 20), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 3 }), async (happened, pageSize, patience) => {
        run++
        const { position: after } = await store.head()
        for (const [index, [stream, { type, ...data }]] of happened.entries()) {
          const event = { id: derivedId(String(run), String(index)), type, schemaVersion: 1, data, meta }
          await store.append({ stream: { ...stream, id: `${stream.id}.r${run}` }, expected: 'any', events: [event] })
        }
        const { position: through } = await store.head()
        const { events: log } = await store.readAll({ after, limit: 100_000 })
        for (const projection of projections) {
          const schema = `fold_${run}_${tableOf(projection)}`
          await copyPool.query(tableDefinition(projection, schema))
          const fold = createBulkFold({ projection, schema, pool: copyPool })
          let pages = 0
          for await (const { events } of createLogScan(copyPool)({ after, through, types: projection.handles })) {
            for (let from = 0; from < events.length; from += pageSize) {
              await fold.fold(events.slice(from, from + pageSize))
              if (pages++ % (patience + 1) !== 0 || fold.weight() === 0) continue
              await fold.spill()
              spills++
            }
          }
          await fold.finish()
          if (!(await indexesOf(copyPool, projection, schema)).has(`${tableOf(projection)}_pkey`))
            await copyPool.query(keyDefinition(projection, schema))
          const expected = foldPages(projection, [log]).rows
          expect(await stored(projection, schema)).toEqual(expected)
          const counted = new Map<string, number>()
          for (const key of expected.keys()) counted.set(key.slice(0, 36), (counted.get(key.slice(0, 36)) ?? 0) + 1)
          expect(fold.counts()).toEqual(Object.fromEntries(counted))
          await copyPool.query(`drop schema ${schema} cascade`)
        }
      }),
      { numRuns: 15, endOnFailure: true },
    )
    expect(spills).toBeGreaterThan(50)
  })

  it('reads by COPY what the log holds, whichever part is asked for', async () => {
    const { position: through } = await store.head()
    const { events } = await store.readAll({ after: start, limit: 100_000 })
    const tenantId = events[0]?.stream.tenantId ?? ''
    const types = ['MessageReceived', 'ConversationStarted']
    const scan = createLogScan(copyPool)
    const filters: { tenantId?: string; types?: readonly string[] }[] = [{}, { tenantId }, { types }, { tenantId, types }]
    for (const filter of filters) {
      const wanted = events.filter(
        (event) =>
          (filter.tenantId === undefined || event.stream.tenantId === filter.tenantId) &&
          (filter.types === undefined || filter.types.includes(event.type)),
      )
      const read = []
      for await (const page of scan({ after: start, through, ...filter })) read.push(...page.events.map(ownCopy))
      expect(read).toEqual(wanted)
    }
  })
})
