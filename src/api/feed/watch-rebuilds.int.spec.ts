import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

async function begin(tenantId: string | null): Promise<string> {
  const id = randomUUID()
  await desk.pools.worker.query(
    `insert into es.rebuilds (id, kind, projections, versions, tenant_id, state, events_done, events_total, requested_by)
     values ($1, 'rebuild', '{messages}', '{1}', $2, 'copying', 100, 1000, '{}')`,
    [id, tenantId],
  )
  return id
}
const goOn = (id: string, state: string, done: number) =>
  desk.pools.worker.query(
    `update es.rebuilds set state = $2, events_done = $3, updated_at = clock_timestamp(), ended_at = case when $2 = 'live' then clock_timestamp() end where id = $1`,
    [id, state, done],
  )

async function listening(first: object) {
  const client = desk.listen({ type: 'auth', ...first })
  await client.until(() => client.frames.length > 0)
  const told = (id: string) =>
    client.frames.flatMap(({ type, data }) => (type === 'projection.progress' && data?.['rebuild_id'] === id ? [data] : []))
  return {
    ...client,
    told,
    hears: (id: string, state: string) => client.until(() => told(id).some((data) => data['state'] === state)),
    states: (id: string) => told(id).map((data) => [data['state'], data['percent']]),
  }
}

it('tells an organisation of its own rebuild to the end, the operator of every one, and nobody else', async () => {
  const [ana, bea] = [await desk.tenant(), await desk.tenant()]
  const own = await listening({ token: ana.key })
  const other = await listening({ token: bea.key })
  const operator = await listening({ token: 'operator', tenant: bea.tenantId })
  const id = await begin(ana.tenantId)
  await own.hears(id, 'copying')
  await goOn(id, 'indexing', 1000)
  await own.hears(id, 'indexing')
  await goOn(id, 'live', 1000)
  await own.hears(id, 'live')
  await operator.hears(id, 'live')
  const whole = [
    ['copying', 10],
    ['indexing', 100],
    ['live', 100],
  ]
  expect(own.states(id)).toEqual(whole)
  expect(operator.states(id)).toEqual(whole)
  expect(own.told(id)[0]).toMatchObject({ tenant_id: ana.tenantId, events_done: 100, events_total: 1000 })

  // Of all organisations: everybody hears of it, in the order of the looks, so nothing of the first is still under way to the other.
  const all = await begin(null)
  await other.hears(all, 'copying')
  await operator.hears(all, 'copying')
  expect(other.told(id)).toEqual([])
  expect(other.told(all)[0]).toEqual({
    rebuild_id: all,
    kind: 'rebuild',
    projections: ['messages'],
    tenant_id: null,
    state: 'copying',
    percent: 10,
  })
  expect(operator.told(all)[0]).toMatchObject({ events_done: 100, events_total: 1000 })
  await goOn(all, 'live', 1000)
  await other.hears(all, 'live')
})

it('does not disturb a resume: who comes back with its position has missed nothing and gets nothing twice', async () => {
  const tenant = await desk.tenant()
  const client = await listening({ token: tenant.key })
  await desk.customerWrites(tenant, '34600111222', 'Hola')
  await client.until(() => client.frames.some(({ type }) => type === 'message.received'))
  const id = await begin(tenant.tenantId)
  await client.hears(id, 'copying')
  const progress = client.frames.at(-1)
  expect(progress?.type).toBe('projection.progress')
  const positions = client.frames.map(({ position }) => position)
  expect(positions).toEqual([...positions].sort())
  client.socket.close()

  const { messageId } = await desk.customerWrites(tenant, '34600111222', '¿Oiga?')
  const back = await listening({ token: tenant.key, after: progress?.position, topics: ['message', 'projection'] })
  await back.until(() => back.frames.some(({ type }) => type === 'message.received'))
  await goOn(id, 'live', 1000)
  await back.hears(id, 'live')
  expect(back.frames.filter(({ type }) => type === 'message.received').map(({ data }) => data?.['id'])).toEqual([messageId])
  const after = back.frames.map(({ position }) => position)
  expect(after).toEqual([...after].sort())
})

it('does not look at rebuilds while nobody wants to know', async () => {
  const quiet = await startDesk()
  try {
    const looking = vi.spyOn(quiet.pools.worker, 'query')
    const looks = () => looking.mock.calls.filter(([query]) => JSON.stringify(query).includes('from es.rebuilds')).length
    const { key, tenantId } = await quiet.tenant()
    quiet.scopesOf.set(tenantId, ['feed:read', 'messages:read'])
    const narrow = quiet.listen({ type: 'auth', token: key })
    await narrow.until(() => narrow.frames.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(looks()).toBe(0)
    const wide = quiet.listen({ type: 'auth', token: 'operator', tenant: tenantId, topics: ['projection'] })
    await wide.until(() => wide.frames.length > 0)
    await expect.poll(looks).toBeGreaterThan(0)
  } finally {
    await quiet.stop()
  }
})
