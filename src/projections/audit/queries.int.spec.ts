import { randomUUID } from 'node:crypto'
import type { CompiledQuery } from 'kysely'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { inTenant } from '../../postgres/transaction.ts'
import { prepareReadModels } from '../engine/generations.ts'
import { encodeCursor } from '../engine/page.ts'
import { audit } from './projection.ts'
import { auditQuery, edgeQuery, type AuditFilter, type Edge } from './queries.ts'

const large = randomUUID()

/** The audit trail of one tenant with 200,000 events, half of them noise, among 50,000 of others. */
describe('the audit trail of a large organisation', () => {
  let db: TestDatabase
  let owner: Pool
  let api: Pool
  beforeAll(async () => {
    db = await freshDatabase()
    owner = createPool({ url: db.url, role: 'owner', max: 2, name: 'test owner' })
    api = createPool({ url: db.url, role: 'recado_api', max: 2, name: 'test api' })
    await prepareReadModels(owner, [audit])
    await owner.query(`
      insert into rm_audit.audit (tenant_id, id, position, at, action, noise, actor_kind, actor_id, entity_type, entity_id, correlation_id, causation_id,
        category, stream_id, version, message, answers)
      select case when n % 5 = 0 then gen_random_uuid() else '${large}' end, gen_random_uuid(), n, timestamptz '2026-01-01' + n * interval '1 second',
        case when n % 50000 = 1 then 'tenant.changed' when n % 2 = 0 then 'message.sent' else 'message.received' end, n % 2 = 0,
        'api', case when n % 50000 = 1 then 'rare' else 'k' || n % 3 end,
        case when n % 50000 = 1 then 'tenant' else 'conversation' end, 'c' || n % 1000, 'r' || n / 10, 'e' || n - 1,
        'conversation', 'c' || n % 1000, n,
        case when n % 4 = 0 then 'm' || n end, case when n % 1000 = 0 then 'm' || n - 4 end
      from generate_series(1, 250000) n`)
    await owner.query('analyze rm_audit.audit')
  })
  afterAll(async () => {
    await Promise.all([owner.end(), api.end()])
    await db.drop()
  })

  /** The plan as the API's role gets it, behind the tenant's wall: and how many rows it really touched. */
  async function planOf(query: CompiledQuery): Promise<{ text: string; touched: number }> {
    const rows = await inTenant<{ 'QUERY PLAN': string }>(
      api,
      large,
      `explain (analyze, costs off, timing off, summary off) ${query.sql}`,
      query.parameters,
    )
    const text = rows.map((row) => row['QUERY PLAN']).join('\n')
    const removed = [...text.matchAll(/Rows Removed by Filter: (\d+)/g)].map(([, n]) => Number(n))
    const actual = [...text.matchAll(/actual rows=([\d.]+) loops=(\d+)/g)].map(([, n, loops]) => Number(n) * Number(loops))
    return { text, touched: Math.max(...removed, ...actual, 0) }
  }
  const early = positionOf(3_600)

  it.each<[string, AuditFilter & { cursor?: string }]>([
    ['newest first', {}],
    ['after a cursor', { cursor: encodeCursor({ key: '100000', id: 'x' }) }],
    ['of an actor who did little', { actor: 'rare' }],
    ['of an action that is rare', { actions: ['tenant.changed'] }],
    ['of noise that is asked for', { actions: ['message.sent'] }],
    ['of one conversation', { entityType: 'conversation', entityId: 'c7' }],
    ['of a kind of thing that is rare', { entityType: 'tenant' }],
    ['of one request', { correlationId: 'r123' }],
    ['up to long ago', { upTo: early }],
    ['of an actor up to long ago', { actor: 'k1', upTo: early }],
    ['between two places', { after: early, upTo: positionOf(7_200) }],
  ])('is listed %s without reading what is not shown', async (_what, filter) => {
    const { text, touched } = await planOf(auditQuery(large, { limit: 50, ...filter }))
    expect(text).toMatch(/Index Scan|Index Only Scan|Bitmap Index Scan/)
    expect(text, text).not.toMatch(/Seq Scan/)
    expect(touched, text).toBeLessThanOrEqual(400)
  })

  it.each<[Edge, string[]]>([
    ['causationId', ['e7', 'e8', 'e99']],
    ['message', ['m4', 'm8']],
    ['answers', ['m996', 'm1996']],
    ['correlationId', ['r7']],
  ])('is followed along %s by its index', async (edge, ids) => {
    const { text, touched } = await planOf(edgeQuery(large, edge, ids, 500))
    expect(text, text).not.toMatch(/Seq Scan/)
    expect(touched, text).toBeLessThanOrEqual(50)
  })
})
