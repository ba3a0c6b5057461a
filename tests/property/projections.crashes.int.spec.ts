import fc from 'fast-check'
import type { Pool, PoolClient } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import type { DomainEvent } from '../../src/domain/catalogue.ts'
import { derivedId } from '../../src/domain/kernel/ids.ts'
import { start } from '../../src/domain/kernel/position.ts'
import type { StreamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { conversations } from '../../src/projections/conversations/projection.ts'
import { createAppliedPositions } from '../../src/projections/engine/applied-positions.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import { schemaOf, snake, tableOf } from '../../src/projections/engine/naming.ts'
import type { AnyRow, Projection } from '../../src/projections/engine/projection.ts'
import { messages } from '../../src/projections/messages/projection.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'

describe('the live writer, its connection cut at any moment', () => {
  let home: TestDatabase
  let ownerPool: Pool
  let run = 0

  beforeAll(async () => {
    home = await freshDatabase()
    ownerPool = createPool({ url: home.url, role: 'owner', max: 3, name: 'owner' })
  })
  afterAll(async () => {
    await ownerPool.end()
    await home.drop()
  })

  /** Connections that break after a number of statements: the last one may or may not have reached the server, and been committed. */
  function fragilePool(after: readonly number[]): { pool: Pool; cuts: () => number } {
    const pool = createPool({ url: home.url, role: 'recado_worker', max: 4, name: 'fragile' })
    let statements = 0
    let cuts = 0
    let next = after[0] ?? 0
    pool.on('connect', (client: PoolClient) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown
      Object.assign(client, {
        query: (...args: unknown[]) => {
          const answer = query(...args)
          if (cuts < after.length && ++statements > next) {
            statements = 0
            const { stream } = (client as unknown as { connection: { stream: { destroy: () => void } } }).connection
            setTimeout(() => stream.destroy(), next % 4)
            cuts++
            next = after[cuts] ?? 0
          }
          return answer
        },
      })
    })
    return { pool, cuts: () => cuts }
  }

  async function recordAll(happened: readonly (readonly [StreamRef, DomainEvent])[]) {
    const store = createMemoryEventStore()
    for (const [index, [stream, event]] of happened.entries()) {
      const { type, ...data } = event
      const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
      await store.append({
        stream,
        expected: 'any',
        events: [{ id: derivedId(String(run), String(index)), type, schemaVersion: 1, data, meta }],
      })
    }
    const { events: log } = await store.readAll({ after: start, limit: 100_000 })
    return { store, log }
  }

  /** The rows of the table in the form that the fold has them in. */
  async function stored(projection: Projection): Promise<Map<string, AnyRow>> {
    const columns = Object.entries(projection.table.columns).map(([name, type]) => `${snake(name)}${type === 'json' ? '::text' : ''} as "${name}"`)
    const { rows } = await ownerPool.query<AnyRow & { tenant_id: string }>(
      `select tenant_id, ${columns.join(', ')} from ${schemaOf(projection)}.${tableOf(projection)}`,
    )
    return new Map(rows.map(({ tenant_id, ...row }) => [rowKey(tenant_id, row.id), row as AnyRow]))
  }

  it('leaves the rows of one clean run', { timeout: 300_000 }, async () => {
    const seen = { cuts: 0 }
    const tryTwelve = async (): Promise<void> =>
      fc.assert(
        fc.asyncProperty(
          history(150).filter(({ length }) => length > 0),
          fc.array(fc.nat(12), { minLength: 3, maxLength: 6 }),
          fc.integer({ min: 1, max: 9 }),
          async (happened, after, pageSize) => {
            run++
            const { store, log } = await recordAll(happened)
            const { pool, cuts } = fragilePool(after)
            const stop = new AbortController()
            const models: Projection[] = [conversations, messages].map((model) => ({ ...(model as Projection), name: `${model.name}Run${run}` }))
            const applied = createAppliedPositions({ projections: models, pool, store })
            const running = models.map((projection) =>
              runProjection({
                projection,
                store,
                pool,
                ownerPool,
                owner: `run ${run}`,
                signal: stop.signal,
                log: pino({ level: 'silent' }),
                onApplied: applied.report,
                pageSize,
                hotRows: 1,
              }),
            )
            try {
              const last = log.at(-1)?.position ?? start
              expect(
                await applied.waitFor(
                  models.map(({ name }) => name),
                  last,
                  100_000,
                ),
              ).toBe(true)
              for (const model of models) expect(await stored(model)).toEqual(foldPages(model, [log]).rows)
              seen.cuts += cuts()
            } finally {
              stop.abort()
              await Promise.all(running)
              await pool.end()
              await store.close()
            }
          },
        ),
        { numRuns: 12, endOnFailure: true },
      )
    // A cut comes after so many statements, and a short history may need fewer: until there were enough of them.
    do await tryTwelve()
    while (seen.cuts <= 12)
  })
})
