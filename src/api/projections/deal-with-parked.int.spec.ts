import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import { createRaiseAlert } from '../../commands/alerts/alerts.ts'
import { createParkedAlarm } from '../../commands/alerts/parked-alarm.ts'
import { createCommands } from '../../commands/kernel/execute.ts'
import { alert, alertId, isOpen } from '../../domain/alert/alert.ts'
import { positionOf, start, type Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

/** A customer's message as the read model of messages would have parked it: not applied, and waiting. */
async function park(tenant: Awaited<ReturnType<Desk['tenant']>>): Promise<{ position: Position; messageId: string }> {
  const { messageId, position } = await desk.customerWrites(tenant, '34600111222', 'hola')
  await desk.applied.waitFor(['messages'], position, 20_000)
  const { events } = await desk.store.readAll({ after: start, filter: { tenantId: tenant.tenantId, types: ['MessageReceived'] }, limit: 100 })
  const at = BigInt(events.at(-1)?.position ?? start).toString()
  await desk.pools.worker.query('delete from rm_messages.messages where tenant_id = $1 and id = $2', [tenant.tenantId, messageId])
  await desk.pools.worker.query(
    `insert into es.parked_events (tenant_id, subscription, position, stream_key, event_type, category, error)
     select $1, 'messages@v' || version, $2, $3, 'MessageReceived', 'failed', 'broken' from es.generations where projection = 'messages' and state = 'live'`,
    [tenant.tenantId, at, messageId],
  )
  return { position: positionOf(at), messageId }
}

describe('dealing with what a read model could not apply', () => {
  it('puts the row right, and ends the alert that told of it', async () => {
    const tenant = await desk.tenant()
    const { position, messageId } = await park(tenant)
    const commands = createCommands({ store: desk.store, vault: desk.vault })
    const errors: unknown[] = []
    const alarm = createParkedAlarm({ raiseAlert: createRaiseAlert({ commands }), clock: () => new Date(), onError: (error) => errors.push(error) })
    alarm({ projection: 'messages', tenantIds: [tenant.tenantId] })
    const key = alertId(tenant.tenantId, 'projection_parked:messages')
    const told = async () => isOpen((await createCommands({ store: desk.store, vault: desk.vault }).load(alert, tenant.tenantId, key)).state)
    await expect.poll(told).toBe(true)

    const path = `/v1/projections/messages/parked/${position}`
    expect((await desk.call((await desk.tenant()).key, 'POST', `${path}/retry`)).status).toBe(404)
    const retried = await desk.call(tenant.key, 'POST', `${path}/retry`)
    expect(retried).toMatchObject({ status: 200, json: { row: messageId, applied: 1, waiting: 0 } })
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${messageId}`)).status).toBe(200)
    expect((await desk.call(tenant.key, 'GET', '/v1/projections/messages/parked')).json).toMatchObject({ data: [] })
    expect(await told()).toBe(false)
    expect((await desk.call(tenant.key, 'POST', `${path}/retry`)).status).toBe(404)
    expect(errors).toEqual([])
  })

  it('discards with a reason that stays in the log, once however often it is asked for', async () => {
    const tenant = await desk.tenant()
    const { position } = await park(tenant)
    const path = `/v1/projections/messages/parked/${position}/discard`
    expect((await desk.call(tenant.key, 'POST', path, {})).status).toBe(422)
    expect(await desk.call(tenant.key, 'POST', path, { reason: 'it was a test' })).toMatchObject({ status: 200, json: { applied: 0, waiting: 0 } })
    expect((await desk.call(tenant.key, 'POST', path, { reason: 'it was a test' })).status).toBe(404)
    const events = await Array.fromAsync(desk.store.readStream(streamRef('projection', tenant.tenantId, 'messages')))
    expect(events.map(({ type, data }) => ({ type, reason: data['reason'] }))).toEqual([
      { type: 'ParkedEventDiscarded', reason: 'it was a test' },
      { type: 'ParkedEventsRetried', reason: undefined },
    ])
    const { rows } = await desk.pools.worker.query('select projection from es.discarded_events where tenant_id = $1', [tenant.tenantId])
    expect(rows).toEqual([{ projection: 'messages' }])
  })

  it('does not discard what only waits behind another event', async () => {
    const tenant = await desk.tenant()
    const { position } = await park(tenant)
    await desk.pools.worker.query(`update es.parked_events set category = 'behind' where tenant_id = $1`, [tenant.tenantId])
    const answer = await desk.call(tenant.key, 'POST', `/v1/projections/messages/parked/${position}/discard`, { reason: 'no' })
    expect(answer).toMatchObject({ status: 409, json: { code: 'parked_behind' } })
    expect((await desk.call(tenant.key, 'POST', '/v1/projections/messages/parked/99999999999999999999/retry')).status).toBe(404)
  })
})
