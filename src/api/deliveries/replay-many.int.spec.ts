import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import type { ReplayOutcome } from '../../commands/deliveries/replay-delivery.ts'
import type { DeliveryEvent } from '../../domain/delivery/events.ts'
import { start } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { tenantQueries } from '../../postgres/queries.ts'
import { BadCursor } from '../../projections/engine/page.ts'
import { replayMany } from './replay-many.ts'

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
  await desk.applied.waitFor(['deliveries'], outcome.position, 5000)
  return id
}

describe('replaying what is stuck', () => {
  it('meets every parked and failed delivery of the tenant once, a bounded number at a time, and nothing else', async () => {
    const { tenantId } = await desk.tenant()
    const reader = tenantQueries(desk.pools.api)
    await deliver(tenantId, received)
    await deliver((await desk.tenant()).tenantId, received, failed)
    const failures = [await deliver(tenantId, received, failed), await deliver(tenantId, received, failed), await deliver(tenantId, received, failed)]
    const waiting = [await deliver(tenantId, received, parked), await deliver(tenantId, received, parked)]
    const seen: string[] = []
    const replay = async ({ deliveryId }: { deliveryId: string }): Promise<ReplayOutcome> => {
      seen.push(deliveryId)
      return deliveryId === waiting[0] ? { unreadable: 'gone' } : { position: start, items: 2, failed: 1, waiting: deliveryId === waiting[1] }
    }
    const ask = (limit: number, more: object = {}) => replayMany({ reader, replay }, { dryRun: false, limit, ...more }, desk.context(tenantId))

    const first = await ask(3)
    expect(first).toMatchObject({ matched: 3, replayed: 3, items: 6, failed: 3, next: expect.any(String) as string })
    const second = await ask(1, { cursor: first.next })
    expect(second).toMatchObject({ matched: 1, replayed: 0, waiting: 1 })
    expect(await ask(3, { cursor: second.next })).toMatchObject({ matched: 1, replayed: 0, unreadable: 1, items: 0, next: undefined })
    expect(seen).toEqual([...failures.toReversed(), ...waiting.toReversed()])

    expect(await ask(200, { state: 'parked', dryRun: true })).toMatchObject({ matched: 2, replayed: 0, position: undefined })
    await expect(ask(1, { cursor: 'processed' })).rejects.toThrow(BadCursor)
    await expect(ask(1, { cursor: 'failed.x' })).rejects.toThrow(BadCursor)
  })

  it('is a request with a filter that may not be misspelt', async () => {
    const { key, tenantId } = await desk.tenant()
    await deliver(tenantId, received, failed)
    const post = (body: object) => desk.call(key, 'POST', '/v1/deliveries/replay', body)
    // The desk has no intake: every body is missing.
    const none = { matched: 1, replayed: 0, unreadable: 1, waiting: 0, items: 0, failed: 0, next_cursor: null }
    expect((await post({ filter: { state: 'failed' }, dry_run: true })).json).toEqual({ dry_run: true, ...none })
    expect((await post({})).json).toEqual({ dry_run: false, ...none })
    expect((await post({ filter: { stat: 'failed' } })).status).toBe(422)
    expect(await post({ cursor: 'x' })).toMatchObject({ status: 422, json: { errors: [{ path: 'body.cursor' }] } })
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
