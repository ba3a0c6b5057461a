import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import { createCommands } from '../../commands/kernel/execute.ts'
import { runReplayer } from '../../commands/processes/replayer/replayer.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { ReplayOutcome } from '../../commands/deliveries/replay-delivery.ts'
import type { DeliveryEvent } from '../../domain/delivery/events.ts'
import { positionOf, start } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { ReplayFilter } from '../../domain/replay/events.ts'
import { countStuckDeliveries, stuckDeliveries } from '../../projections/deliveries/queries.ts'
import { operatorQueries } from '../../projections/engine/operator.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

const received: DeliveryEvent = { type: 'WebhookReceived', provider: 'meta', app: 'default', sha256: 'x', bytes: 2 }
const failed: DeliveryEvent = { type: 'DeliveryItemFailed', path: '', error: 'broken' }
const parked: DeliveryEvent = { type: 'DeliveryParked', reason: 'unknown_number', phoneNumberIds: ['1'], wabaIds: [], detail: '' }

async function deliver(tenantId: string, ...events: readonly DeliveryEvent[]): Promise<string> {
  const id = randomUUID()
  const meta = { occurredAt: new Date().toISOString(), correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'intake' } } as const
  const stored = events.map(({ type, ...data }) => ({ id: randomUUID(), type, schemaVersion: 1, data, meta }))
  const outcome = await desk.store.append({ stream: streamRef('delivery', tenantId, id), expected: 0, events: stored })
  if (outcome.outcome === 'conflict') throw new Error('the stream is new')
  await desk.applied.waitFor(['deliveries'], outcome.position, 40_000)
  return id
}

describe('replaying what is stuck', () => {
  const broken = (more: object): DeliveryEvent => ({ type: 'DeliveryItemFailed', path: 'entry[0]', error: 'Value is broken', ...more })
  const queries = () => operatorQueries(desk.pools.worker)
  const everything = positionOf('8999999999999999999')
  const found = async (tenantId: string, filter: ReplayFilter) =>
    (await stuckDeliveries(queries(), tenantId, filter, { after: start, upto: everything, limit: 100 })).map(({ id }) => id)

  it('finds it by state, time, number, kind of item and text of the error, of one tenant only', async () => {
    const { tenantId } = await desk.tenant()
    await deliver(tenantId, received)
    await deliver((await desk.tenant()).tenantId, received, failed)
    const message = await deliver(tenantId, received, broken({ item: 'message', phoneNumberId: '7' }))
    const between = new Date()
    const status = await deliver(tenantId, received, broken({ item: 'status', error: 'Nobody knows 100% of it' }))
    const waits = await deliver(tenantId, received, parked)

    expect(await found(tenantId, {})).toEqual([message, status, waits])
    expect(await found(tenantId, { state: 'parked' })).toEqual([waits])
    expect(await found(tenantId, { from: between.toISOString(), state: 'failed' })).toEqual([status])
    expect(await found(tenantId, { to: between.toISOString() })).toEqual([message])
    expect(await found(tenantId, { phoneNumberId: '7' })).toEqual([message])
    expect(await found(tenantId, { phoneNumberId: '1' })).toEqual([waits])
    expect(await found(tenantId, { item: 'status' })).toEqual([status])
    expect(await found(tenantId, { error: 'value IS' })).toEqual([message])
    expect(await found(tenantId, { error: '100%' })).toEqual([status])
    expect(await found(tenantId, { error: '_' })).toEqual([])
    expect(await countStuckDeliveries(queries(), tenantId, { state: 'failed' }, everything)).toBe(2)
  })

  /** A replayer as a process with workers has it; `replay` stands for what the intake makes of each. */
  function startReplayer(replay: (deliveryId: string, context: CommandContext) => Promise<ReplayOutcome>) {
    const stop = new AbortController()
    const done = runReplayer({
      store: desk.store,
      pool: desk.pools.worker,
      commands: createCommands({ store: desk.store, vault: desk.vault }),
      replay: ({ deliveryId }, context) => replay(deliveryId, context),
      find: (...wanted) => stuckDeliveries(queries(), ...wanted),
      count: (...wanted) => countStuckDeliveries(queries(), ...wanted),
      shown: (position) => desk.applied.waitFor(['deliveries'], position, 1_000),
      owner: randomUUID(),
      clock: () => new Date(),
      log: pino({ level: 'silent' }),
      signal: stop.signal,
    })
    return async (): Promise<void> => {
      stop.abort()
      await done
    }
  }

  it('goes through all of it by itself, oldest first, and says how far it is and what came of it', async () => {
    const { key, tenantId } = await desk.tenant()
    const ids: string[] = []
    for (let n = 0; n < 23; n++) ids.push(await deliver(tenantId, received, n % 5 === 0 ? parked : failed))
    const seen: string[] = []
    const stop = startReplayer((deliveryId) => {
      seen.push(deliveryId)
      const nth = ids.indexOf(deliveryId)
      return Promise.resolve(nth === 3 ? { unreadable: 'gone' } : { position: start, items: 2, failed: nth === 4 ? 1 : 0, waiting: nth === 5 })
    })
    const begun = await desk.call(key, 'POST', '/v1/deliveries/replay', { rate_per_second: 500 })
    expect(begun).toMatchObject({ status: 202, json: { state: 'running', filter: {}, rate_per_second: 500, matched: 0 } })
    const later = await deliver(tenantId, received, failed)
    const path = begun.headers.get('location') ?? ''
    await expect.poll(async () => (await desk.call(key, 'GET', path)).json['state'], { timeout: 20_000 }).toBe('finished')
    const counts = { matched: 23, replayed: 21, unreadable: 1, waiting: 1, items: 44, failed: 1 }
    expect((await desk.call(key, 'GET', path)).json).toMatchObject({ total: 23, cancelled: false, ...counts })
    expect(seen).toEqual(ids)
    expect(seen).not.toContain(later)
    expect((await desk.call((await desk.tenant()).key, 'GET', path)).status).toBe(404)
    await stop()
  })

  it('goes on where it was after its process died, and meets no delivery it had noted a second time', async () => {
    const { key, tenantId } = await desk.tenant()
    const ids: string[] = []
    for (let n = 0; n < 35; n++) ids.push(await deliver(tenantId, received, failed))
    const seen: string[] = []
    const commandIds = new Map<string, Set<string>>()
    let die: (() => void) | undefined
    const dying = new Promise<void>((resolve) => (die = resolve))
    const stopFirst = startReplayer((deliveryId, { commandId }) => {
      seen.push(deliveryId)
      commandIds.set(deliveryId, new Set([commandId]))
      if (seen.length === 27) die?.()
      return seen.length >= 27
        ? Promise.reject(new Error('the process is dying'))
        : Promise.resolve({ position: start, items: 1, failed: 0, waiting: false })
    })
    const begun = await desk.call(key, 'POST', '/v1/deliveries/replay', { filter: { state: 'failed' }, rate_per_second: 500 })
    await dying
    await stopFirst()
    const path = begun.headers.get('location') ?? ''
    expect((await desk.call(key, 'GET', path)).json).toMatchObject({ state: 'running', matched: 20, total: 35 })
    const again: string[] = []
    const stopSecond = startReplayer((deliveryId, { commandId }) => {
      again.push(deliveryId)
      commandIds.get(deliveryId)?.add(commandId)
      return Promise.resolve({ position: start, items: 1, failed: 0, waiting: false })
    })
    await expect.poll(async () => (await desk.call(key, 'GET', path)).json['state'], { timeout: 20_000 }).toBe('finished')
    expect((await desk.call(key, 'GET', path)).json).toMatchObject({ matched: 35, replayed: 35, items: 35 })
    expect(again).toEqual(ids.slice(20))
    expect([...commandIds.values()].every((all) => all.size === 1)).toBe(true)
    await stopSecond()
  })

  it('stops when somebody says so, and keeps what was done', async () => {
    const { key, tenantId } = await desk.tenant()
    for (let n = 0; n < 15; n++) await deliver(tenantId, received, failed)
    const stop = startReplayer(() => Promise.resolve({ position: start, items: 1, failed: 0, waiting: false }))
    const begun = await desk.call(key, 'POST', '/v1/deliveries/replay', { rate_per_second: 5 })
    const path = begun.headers.get('location') ?? ''
    await expect.poll(async () => (await desk.call(key, 'GET', path)).json['total']).toBe(15)
    expect(await desk.call(key, 'POST', `${path}/cancel`)).toMatchObject({ status: 200, json: { state: 'cancelled' } })
    await expect.poll(async () => (await desk.call(key, 'GET', path)).json['state'], { timeout: 20_000 }).toBe('finished')
    const { json } = await desk.call(key, 'GET', path)
    expect(json).toMatchObject({ cancelled: true, matched: 10 })
    expect((await desk.call(key, 'POST', `/v1/replays/${randomUUID()}/cancel`)).status).toBe(404)
    await stop()
  })

  it('is a request with a filter that may not be misspelt; dry, it only tells', async () => {
    const { key, tenantId } = await desk.tenant()
    const first = await deliver(tenantId, received, failed)
    await deliver(tenantId, received, parked)
    const post = (body: object) => desk.call(key, 'POST', '/v1/deliveries/replay', body)
    const before = await desk.store.head()
    // The desk has no intake: every body is missing.
    const none = { dry_run: true, matched: 1, unreadable: 1, waiting: 0, items: 0, failed: 0, deliveries: [] }
    expect((await post({ filter: { state: 'failed' }, dry_run: true })).json).toEqual({ ...none, next_cursor: null })
    const one = await post({ dry_run: true, limit: 1 })
    expect(one.json).toEqual({ ...none, next_cursor: expect.any(String) as string })
    expect((await post({ dry_run: true, limit: 1, cursor: one.json['next_cursor'] })).json).toMatchObject({ matched: 1 })
    expect(await desk.store.head()).toEqual(before)
    expect(first).toBeDefined()
    expect((await post({ filter: { stat: 'failed' } })).status).toBe(422)
    expect(await post({ dry_run: true, cursor: 'x' })).toMatchObject({ status: 422, json: { errors: [{ path: 'body.cursor' }] } })
    expect((await post({ filter: { from: 'yesterday' } })).status).toBe(422)
  })
})

describe('what a read model could not apply', () => {
  it('is listed for its tenant while nobody has looked after it', async () => {
    const [mine, theirs] = [await desk.tenant(), await desk.tenant()]
    const park = `insert into es.parked_events (tenant_id, subscription, position, stream_key, event_type, category, error, resolved_at)
      select $1, 'messages@v' || version, p, 'm1', 'MessageReceived', 'failed', 'broken', case when p = 7 then now() end
      from es.generations, unnest(array[5, 6, 7]) as p where projection = 'messages' and state = 'live'`
    await desk.pools.worker.query(park, [mine.tenantId])
    const path = '/v1/projections/messages/parked'
    const first = await desk.call(mine.key, 'GET', `${path}?limit=1`)
    const event = { type: 'MessageReceived', row: 'm1', category: 'failed', error: 'broken', parked_at: expect.any(String) as string }
    expect(first.json).toEqual({ data: [{ position: '00000000000000000005', ...event }], next_cursor: expect.any(String) as string })
    const second = await desk.call(mine.key, 'GET', `${path}?limit=1&cursor=${String(first.json['next_cursor'])}`)
    expect(second.json).toEqual({ data: [{ position: '00000000000000000006', ...event }], next_cursor: null })
    expect((await desk.call(theirs.key, 'GET', path)).json).toEqual({ data: [], next_cursor: null })
    expect((await desk.call(mine.key, 'GET', '/v1/projections/nothing/parked')).status).toBe(404)
  })
})
