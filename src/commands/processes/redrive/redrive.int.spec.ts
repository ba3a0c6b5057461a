import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { createFakeProvider, newMasterKey, startProcess, type Process } from '../../../../tests/support/sending.ts'
import { scanOf } from '../../../../tests/support/scan.ts'
import { positionOf, start, type Position } from '../../../domain/kernel/position.ts'
import { checkpointOf } from '../../../postgres/lease.ts'
import { redrive } from './redrive.ts'

const tenantId = randomUUID()
const channelId = randomUUID()
let db: TestDatabase
let here: Process
beforeAll(async () => {
  db = await freshDatabase()
  here = await startProcess({ url: db.url, masterKey: newMasterKey() })
})
afterAll(async () => {
  await here.close()
  await db.drop()
})

const outbox = async () => (await here.pool.query<Record<string, unknown>>('select * from work.outbox order by message_id')).rows
const run = (process: 'outbox' | 'intake', from: Position, dryRun: boolean) =>
  redrive({ pool: here.pool, store: here.store, scan: scanOf(here.store) }, { process, from, dryRun })

describe('making the tables of a process again from the log', () => {
  it('is nothing for a process that never ran', async () => {
    expect(await run('outbox', start, true)).toBeUndefined()
  })

  it('gives the outbox that there was, whatever was done to it, and sends nothing', async () => {
    const provider = createFakeProvider()
    // Some are taken, some are refused for good, the rest stays with a provider that does not answer yet.
    let open: (() => void) | undefined
    const shut = new Promise<void>((resolve) => (open = resolve))
    provider.answer = (_call, nth) => {
      if (nth % 3 === 0) return { outcome: 'rejected', error: { code: 131026, status: 400, message: 'no' } }
      return nth % 3 === 1 ? undefined : shut.then(() => undefined)
    }
    const sender = here.startSender({ cloudApi: provider.api })
    await here.queueMany(tenantId, channelId, 12)
    const half = (await here.store.head()).position
    await here.queueMany(tenantId, randomUUID(), 6)
    await expect.poll(() => provider.calls.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(18)
    await expect.poll(async () => sender.stats().inFlight).toBe(6)
    const stopping = sender.stop()
    open?.()
    await stopping
    // What the sender recorded last is in the table once its writer has come around; here it is made by hand, as the next process would.
    const head = (await here.store.head()).position
    await here.pool.query(`update es.subscriptions set position = $1 where name = 'outbox'`, [BigInt(head).toString()])
    await run('outbox', start, false)
    const right = await outbox()
    expect(right.length).toBeGreaterThan(0)
    const calls = provider.calls.length

    expect(await run('outbox', start, true)).toMatchObject({ rows: right.length, missing: 0, surplus: 0, different: 0, through: head })
    await here.pool.query(`update work.outbox set state = 'queued', attempt = 0 where message_id = $1`, [right[0]?.['message_id']])
    await here.pool.query(`delete from work.outbox where message_id = $1`, [right[1]?.['message_id']])
    await here.pool.query(
      `insert into work.outbox select tenant_id, 'ghost', channel_id, conversation_id, contact_id, state, priority, message_type, content, content_event_id,
         correlation_id, reply_to, attempt, attempts_before, due_at, queued_at, queued_position, position from work.outbox limit 1`,
    )
    const spoilt = await outbox()
    const counts = { rows: right.length, missing: 1, surplus: 1, different: 1 }
    expect(await run('outbox', start, true)).toMatchObject(counts)
    expect(await outbox()).toEqual(spoilt)
    expect(await run('outbox', start, false)).toMatchObject(counts)
    expect(await outbox()).toEqual(right)

    // From half-way: what was queued before stays as it stands.
    await here.pool.query('delete from work.outbox where queued_position > $1', [BigInt(half).toString()])
    await run('outbox', half, false)
    expect(await outbox()).toEqual(right)
    expect(provider.calls.length).toBe(calls)
    expect(await checkpointOf(here.pool, 'outbox')).toBe(head)
  })

  it('gives the intake the messages by which statuses are told apart', async () => {
    const head = (await here.store.head()).position
    await here.pool.query(`insert into es.subscriptions (name, position) values ('intake', $1)`, [BigInt(head).toString()])
    const { rows: logged } = await here.pool.query<{ messages: number }>(
      `select count(distinct data ->> 'messageId')::int as messages from es.events where type in ('MessageQueued', 'SendAccepted')`,
    )
    const messages = logged[0]?.messages ?? 0
    expect(messages).toBe(18)
    expect(await run('intake', start, true)).toMatchObject({ missing: messages, rows: messages })
    expect(await run('intake', start, false)).toMatchObject({ missing: messages })
    expect(await run('intake', start, true)).toMatchObject({ rows: messages, missing: 0, surplus: 0, different: 0 })
    expect(await run('intake', positionOf(BigInt(head)), true)).toMatchObject({ events: 0, missing: 0 })
    const { rows } = await here.pool.query('select from work.outgoing where provider_id is not null')
    expect(rows.length).toBeGreaterThan(0)
  })
})
