import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Pool } from 'pg'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { createPool } from '../../postgres/pool.ts'
import { prepareReadModels } from '../engine/generations.ts'
import { operatorQueries } from '../engine/operator.ts'
import { templates } from './projection.ts'
import { unsettledTemplates } from './queries.ts'

let home: TestDatabase
let owner: Pool
let worker: Pool

beforeAll(async () => {
  home = await freshDatabase()
  owner = createPool({ url: home.url, role: 'owner', max: 2, name: 'unsettled owner' })
  worker = createPool({ url: home.url, role: 'recado_worker', max: 2, name: 'unsettled' })
  await prepareReadModels(owner, [templates])
})
afterAll(async () => {
  await Promise.all([owner.end(), worker.end()])
  await home.drop()
})

/** Templates that Meta told of and that were never read. */
const heardOf = async (tenantId: string, wabaId: string, count: number, updatedAt: string): Promise<void> => {
  await worker.query(
    `insert into rm_templates.templates (tenant_id, id, waba_id, name, language, status, parameter_format, created_at, updated_at, version)
     select $1, $2 || n, $2, 'template_' || n, 'es', 'UNKNOWN', 'positional', $3, $3, 1 from generate_series(1, $4::int) n`,
    [tenantId, wabaId, updatedAt, count],
  )
}

it('an account that cannot be read, with hundreds of templates that are only heard of, does not keep the keeper from the others', async () => {
  const [stuck, other] = [randomUUID(), randomUUID()]
  await heardOf(stuck, 'without-token', 300, '2026-01-01T12:00:00Z')
  await heardOf(other, 'well', 2, '2026-06-01T12:00:00Z')
  const found = await unsettledTemplates(operatorQueries(worker), new Date())
  expect(found.filter(({ tenantId }) => tenantId === other).map(({ name }) => name)).toEqual(['template_1', 'template_2'])
  expect(found.filter(({ tenantId }) => tenantId === stuck).length).toBeLessThan(100)
})
