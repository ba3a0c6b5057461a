import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHouse } from '../../../../tests/support/house.ts'
import { createRawBodies } from '../../../adapters/event-store/postgres/raw-bodies.ts'
import { createTenantLogs } from '../../../adapters/event-store/postgres/tenant-log.ts'
import type { NewEvent } from '../../../domain/kernel/envelope.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { tenantQueries } from '../../../postgres/queries.ts'
import { getDelivery, purgedAt } from '../../../projections/deliveries/queries.ts'
import { deliveries } from '../../../projections/deliveries/projection.ts'
import { foldPage, keyPage } from '../../../projections/engine/fold-page.ts'
import { operatorQueries } from '../../../projections/engine/operator.ts'
import { rowTable } from '../../../projections/engine/rows.ts'
import { tenants } from '../../../projections/tenants/projection.ts'
import { tenantsWithSetting } from '../../../projections/tenants/queries.ts'
import { createReplayDelivery } from '../../deliveries/replay-delivery.ts'
import { createCommands, type Commands } from '../../kernel/execute.ts'
import { createPurgeRawDeliveries } from './raw-deliveries.ts'

type House = Awaited<ReturnType<typeof openHouse>>

let house: House
let commands: Commands
beforeAll(async () => {
  house = await openHouse([deliveries, tenants])
  commands = createCommands(house)
})
afterAll(() => house.close())

const context = (tenantId: string) => {
  const commandId = randomUUID()
  return { tenantId, actor: { kind: 'process', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: new Date() } as const
}

async function organisation(days?: number): Promise<string> {
  const tenantId = randomUUID()
  await commands.execute(tenant, tenantId, { type: 'create', name: 'Casa', slug: tenantId, plan: 'free', locale: 'es' }, context(tenantId))
  if (days !== undefined) {
    const settings = { retention: { raw_deliveries_days: days } }
    await commands.execute(tenant, tenantId, { type: 'change', settings }, context(tenantId))
  }
  return tenantId
}

/** Deliveries with a body each, the last one at this position. */
async function deliver(tenantId: string, count: number): Promise<{ ids: readonly string[]; position: string }> {
  const { actor } = context(tenantId)
  const ids = Array.from({ length: count }, () => randomUUID())
  const stored = await Promise.all(
    ids.map((id) => {
      const received: NewEvent = {
        id: randomUUID(),
        type: 'WebhookReceived',
        schemaVersion: 1,
        data: { provider: 'meta', app: 'default', sha256: id, bytes: 3 },
        meta: { occurredAt: new Date().toISOString(), correlationId: id, causationId: id, actor },
        attachment: Buffer.from('raw'),
      }
      return house.store.append({ stream: streamRef('delivery', tenantId, id), expected: 0, events: [received] })
    }),
  )
  const position = stored.reduce((last, one) => (one.outcome !== 'conflict' && one.position > last ? one.position : last), positionOf(0))
  await house.applied.waitFor(['deliveries', 'tenants'], position, 40_000)
  return { ids, position }
}

const intakeHasPassed = (position: string) =>
  house.pools.worker.query(
    `insert into es.subscriptions (name, position) values ('intake', $1) on conflict (name) do update set position = excluded.position`,
    [BigInt(position).toString()],
  )
const bodiesOf = async (tenantId: string): Promise<number> =>
  Number(
    (await house.pools.worker.query<{ n: string }>('select coalesce(sum(members), 0) as n from es.attachments where tenant_id = $1', [tenantId]))
      .rows[0]?.n,
  )
/** Every event with everything it holds, so that a changed byte shows. */
const wholeLog = async (): Promise<unknown> => (await house.pools.worker.query('select * from es.events order by position')).rows

const rowsOf = async (tenantId: string): Promise<ReadonlyMap<string, unknown>> => {
  const table = rowTable(deliveries, 'rm_deliveries')
  const { rows } = await house.pools.worker.query<{ id: string }>('select id from rm_deliveries.deliveries where tenant_id = $1', [tenantId])
  return table.load(
    house.pools.worker,
    rows.map(({ id }) => ({ tenantId, id })),
  )
}

/** The read model as a rebuild would make it now. */
async function foldedFromTheStart(tenantId: string): Promise<ReadonlyMap<string, unknown>> {
  const { events } = await house.store.readAll({ after: positionOf(0), filter: { tenantId, types: deliveries.handles }, limit: 10_000 })
  const { changes } = foldPage(
    deliveries,
    keyPage(deliveries, events).keyed,
    () => undefined,
    () => false,
  )
  return new Map([...changes].map(([key, { row }]) => [key, row]))
}

const inDays = (days: number) => () => new Date(Date.now() + days * 86_400_000)
const purge = (clock: () => Date) =>
  createPurgeRawDeliveries({
    pool: house.pools.worker,
    bodies: createRawBodies(house.pools.worker),
    commands,
    candidates: () => tenantsWithSetting(operatorQueries(house.pools.worker), 'retention'),
    clock,
  })(house.signal)

describe('the retention of raw deliveries', () => {
  it('removes the bodies that an organisation does not want to keep, and nothing of the log', async () => {
    const [brief, forever] = [await organisation(30), await organisation()]
    const { ids } = await deliver(brief, 1_203)
    const { position } = await deliver(forever, 2)
    await intakeHasPassed(position)
    const before = await wholeLog()
    expect(await purge(inDays(29))).toEqual({ bodies: 0, months: [] })
    expect(await purge(inDays(32))).toEqual({ bodies: 1_203, months: [] })
    expect(await bodiesOf(brief)).toBe(0)
    expect(await bodiesOf(forever)).toBe(2)
    expect(await wholeLog()).toEqual(before)

    expect(await foldedFromTheStart(brief)).toEqual(await rowsOf(brief))

    const reader = tenantQueries(house.pools.api)
    const row = await getDelivery(reader, brief, ids[0] ?? '')
    if (row === undefined) throw new Error('the delivery is still there')
    expect(row).toMatchObject({ state: 'processed', bytes: 3 })
    expect(await purgedAt(reader, brief, row)).toBeInstanceOf(Date)
    const read = createTenantLogs({ pool: house.pools.api, head: house.store.head, attachments: house.attachments })(brief).readStream(
      streamRef('delivery', brief, row.id),
      {
        attachments: true,
      },
    )
    for await (const event of read) expect(event.attachment).toBeUndefined()

    const replay = createReplayDelivery({
      store: house.store,
      handle: () => Promise.reject(new Error('there is nothing to handle')),
      rehearse() {
        throw new Error('there is nothing to rehearse')
      },
      remember: () => Promise.resolve(),
    })
    expect(await replay({ deliveryId: row.id, dryRun: false }, context(brief))).toEqual({ unreadable: 'the raw body is no longer kept' })
  })

  it('keeps what the intake has not worked through, and history that it put aside', async () => {
    const brief = await organisation(1)
    // One after the other: what comes together is kept together.
    const { ids } = await deliver(brief, 1)
    const { position } = await deliver(brief, 1)
    const first = await getDelivery(tenantQueries(house.pools.api), brief, ids[0] ?? '')
    await deliver(brief, 1)
    await intakeHasPassed(position)
    await house.pools.worker.query('insert into work.postponed_deliveries (tenant_id, delivery_id, position) values ($1, $2, $3)', [
      brief,
      first?.id,
      first?.position,
    ])
    expect(await purge(inDays(400))).toMatchObject({ bodies: 1 })
    expect(await bodiesOf(brief)).toBe(2)
  })

  it('asks the organisation itself, not a list that may be behind', async () => {
    const tenantId = await organisation(1)
    const { position } = await deliver(tenantId, 1)
    await intakeHasPassed(position)
    await commands.execute(tenant, tenantId, { type: 'change', settings: { retention: null } }, context(tenantId))
    const { worker: pool } = house.pools
    const bodies = createRawBodies(pool)
    await createPurgeRawDeliveries({ pool, bodies, commands, candidates: async () => [tenantId], clock: inDays(400) })(house.signal)
    expect(await bodiesOf(tenantId)).toBe(1)
  })

  it('drops a month that nobody wants to keep, and leaves one that somebody does', async () => {
    const [brief, forever] = [await organisation(10), await organisation()]
    await house.pools.owner.query(`
      create table es.attachments_2020_01 partition of es.attachments for values from ('2020-01-01Z') to ('2020-02-01Z');
      create table es.attachments_2020_02 partition of es.attachments for values from ('2020-02-01Z') to ('2020-03-01Z');
      alter table es.attachments_2020_01 enable row level security;
      alter table es.attachments_2020_02 enable row level security;
      insert into es.attachments (tenant_id, position, recorded_at, body) values
        ('${brief}', 1, '2020-01-15Z', 'x'), ('${brief}', 2, '2020-01-16Z', 'x'), ('${brief}', 3, '2020-02-15Z', 'x'), ('${forever}', 4, '2020-02-16Z', 'x')`)
    const { position } = await deliver(brief, 1)
    await intakeHasPassed(position)
    const before = await wholeLog()
    // Of February the organisation's own body goes by itself.
    expect(await purge(() => new Date())).toEqual({ bodies: 1, months: ['attachments_2020_01'] })
    expect(await wholeLog()).toEqual(before)
    expect(await bodiesOf(forever)).toBe(1)
    expect(await bodiesOf(brief)).toBe(1)
    const { rows } = await house.pools.worker.query(
      `select to_regclass('es.attachments_2020_01') as gone, to_regclass('es.attachments_2020_02') as stays`,
    )
    expect(rows).toMatchObject([{ gone: null, stays: 'es.attachments_2020_02' }])
  })
})
