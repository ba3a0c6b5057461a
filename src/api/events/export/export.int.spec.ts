import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../../tests/support/desk.ts'
import { start } from '../../../domain/kernel/position.ts'

describe('an export of the log', () => {
  let desk: Desk
  beforeAll(async () => {
    desk = await startDesk()
  })
  afterAll(() => desk.stop())

  const asked = async (key: string, query: string): Promise<{ status: number; headers: Headers; bytes: Buffer }> => {
    const response = await fetch(`${desk.url}/v1/events/export${query}`, { headers: { authorization: `Bearer ${key}` } })
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }
  const linesOf = (bytes: Buffer): Record<string, unknown>[] =>
    bytes
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('has every event of the organisation that asks and of no other, in each format, and is on record', async () => {
    const [tenant, other] = [await desk.tenant(), await desk.tenant()]
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    await desk.customerWrites(other, '34600111222', 'Buenas')
    // Up to a place: the entry about an export is itself an event.
    const { position } = await desk.store.head()
    const here = `to=${Number(position)}`
    const { status, headers, bytes } = await asked(tenant.key, `?${here}`)
    expect([status, headers.get('content-type'), headers.get('content-disposition')]).toEqual([
      200,
      expect.stringContaining('application/x-ndjson'),
      'attachment; filename="events.ndjson"',
    ])
    const lines = linesOf(bytes)
    const { events } = await desk.store.readAll({ after: start, filter: { tenantId: tenant.tenantId }, limit: 1_000 })
    expect(lines.map(({ id }) => id)).toEqual(events.filter((event) => event.position <= position).map(({ id }) => id))
    expect(lines.every((line) => line['tenant_id'] === tenant.tenantId)).toBe(true)

    const csv = await asked(tenant.key, `?format=csv&${here}`)
    expect(csv.bytes.toString().match(/\r\n/g)).toHaveLength(lines.length + 1)
    const { bytes: parquet } = await asked(tenant.key, `?format=parquet&${here}`)
    const read = await parquetReadObjects({ file: parquet.buffer.slice(parquet.byteOffset, parquet.byteOffset + parquet.byteLength) as ArrayBuffer })
    expect(read.map((row): unknown[] => [row['id'], row['data']])).toEqual(lines.map((line) => [line['id'], line['data']]))

    const entries = linesOf((await asked(tenant.key, '?type=AccessRecorded')).bytes)
    // Whether the entry about an export is in it depends on which was first.
    expect(entries.slice(0, 3).map(({ data }) => data)).toEqual([
      expect.objectContaining({ what: 'events_exported', filter: { to: String(Number(position)) } }),
      expect.objectContaining({ filter: { format: 'csv', to: String(Number(position)) } }),
      expect.objectContaining({ filter: { format: 'parquet', to: String(Number(position)) } }),
    ])
  })

  it('opens what is personal for who may, and says so to who may not', async () => {
    const tenant = await desk.tenant()
    await desk.customerWrites(tenant, '34600111222', 'Hola, soy Carla', 'Carla')
    expect((await asked(tenant.key, '')).bytes.toString()).not.toContain('Carla')
    const opened = linesOf((await asked(tenant.key, '?reveal=true&type=MessageReceived')).bytes)
    expect(JSON.stringify(opened)).toContain('Hola, soy Carla')
    desk.scopesOf.set(tenant.tenantId, ['events:read'])
    expect((await asked(tenant.key, '?reveal=true')).status).toBe(403)
    desk.scopesOf.set(tenant.tenantId, ['audit:read'])
    expect((await asked(tenant.key, '')).status).toBe(403)
  })

  it('begins and ends where it was asked to', async () => {
    const tenant = await desk.tenant()
    await desk.customerWrites(tenant, '34600111222', 'one')
    const between = new Date(Date.now() + 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await desk.customerWrites(tenant, '34600111222', 'two')
    const count = async (query: string): Promise<number> => linesOf((await asked(tenant.key, `?type=MessageReceived${query}`)).bytes).length
    expect([await count(''), await count(`&from=${between.toISOString()}`), await count(`&to=${between.toISOString()}`)]).toEqual([2, 1, 1])
    expect(await count('&from=2999-01-01T00:00:00Z')).toBe(0)
    expect((await asked(tenant.key, '?from=yesterday')).status).toBe(422)
    expect((await asked(tenant.key, '?format=xlsx')).status).toBe(422)
  })

  it.skipIf(process.env['RECADO_TEST_LOG'] !== undefined)('is as long as the log, and held in memory only in pieces', async () => {
    const tenant = await desk.tenant()
    // By SQL: what is tried is the reading, over many pages and several row groups.
    await desk.pools.owner.query(
      `insert into es.events (position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata)
       select h.position + n, h.recorded_at, $1, 'conversation-many', n, gen_random_uuid(), 'MessageRevoked', 1, '{"targetId":"t"}',
         '{"occurredAt":"2026-01-01T12:00:00Z","correlationId":"c","causationId":"c","actor":{"kind":"process","id":"test"}}'
       from (select position, recorded_at from es.events order by position desc limit 1) h, generate_series(1, 45000) n`,
      [tenant.tenantId],
    )
    expect(linesOf((await asked(tenant.key, '?type=MessageRevoked')).bytes)).toHaveLength(45_000)
    const { bytes } = await asked(tenant.key, '?format=parquet&type=MessageRevoked')
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
      columns: ['version'],
    })
    expect(rows.map(({ version }) => Number(version))).toEqual(Array.from({ length: 45_000 }, (_, nth) => nth + 1))
  })
})
