import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { history } from '../../../tests/support/histories.ts'
import { recordedLog } from '../../../tests/support/recorded.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { start } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { inOneFlight } from '../../postgres/transaction.ts'
import { typescriptForm, type Form, type FormPools } from './form.ts'
import { project } from './project.ts'

/** Asks for a row that only the row before tells of, deletes, counts and adds: whatever rows may be at hand or not. */
const busy = project({
  tables: {
    last: { conversation: 'text key', message: 'text', at: 'timestamptz', seen: 'json' },
    messages: { conversation: 'text key', message: 'text key', changes: 'int8', wasLast: 'bool' },
    log: { type: 'text', before: 'text', at: 'timestamptz' },
  },
  on: {
    MessageReceived({ messageId, at }, { stream: { id } }, { last, messages, log }) {
      const before = last.get({ conversation: id })
      if (before?.message) messages.set({ conversation: id, message: before.message }, { wasLast: true })
      last.set({ conversation: id }, { message: messageId, at, seen: { before: before?.message ?? null } })
      messages.add({ conversation: id, message: messageId }, { changes: 1 })
      log.insert({ type: 'received', before: before?.message ?? null, at })
    },
    MessageQueued({ messageId }, { stream: { id } }, { messages }) {
      messages.add({ conversation: id, message: messageId }, { changes: 100 })
    },
    MessageStatusChanged({ messageId, status }, { stream: { id } }, { messages, log }) {
      const gone = status === 'failed' ? messages.take({ conversation: id, message: messageId }) : undefined
      log.insert({ type: status, before: gone === undefined ? null : String(gone.changes) })
      if (gone === undefined) messages.add({ conversation: id, message: messageId }, { changes: 1 })
    },
    ConversationRead(_, { stream: { id } }, { last }) {
      last.delete({ conversation: id })
    },
  },
})

let db: TestDatabase
let pools: FormPools
const schemas = { whole: `custom_a`, spilled: `custom_b`, pieces: `custom_c` }

beforeAll(async () => {
  db = await freshDatabase()
  pools = {
    pool: createPool({ url: db.url, role: 'owner', max: 2, name: 'custom' }),
    copyPool: createPool({ url: db.url, role: 'owner', max: 2, name: 'custom copy', pipeline: false }),
  }
})
afterAll(async () => {
  await pools.pool.end()
  await pools.copyPool.end()
  await db.drop()
})

const pagesOf = (events: readonly RecordedEvent[], length: number): RecordedEvent[][] =>
  Array.from({ length: Math.ceil(events.length / length) }, (_, nth) => events.slice(nth * length, (nth + 1) * length))
const stretch = (events: readonly RecordedEvent[]) => ({ events, after: start, through: events.at(-1)?.position ?? start })

async function created(form: Form, schema: string): Promise<Form> {
  await pools.pool.query(`drop schema if exists ${schema} cascade; create schema ${schema}`)
  await form.create(pools.pool, schema)
  return form
}
async function fill(form: Form, schema: string, pages: readonly RecordedEvent[][]): Promise<void> {
  const filling = (await created(form, schema)).begin(pools, schema)
  for (const page of pages) await filling.take(stretch(page))
  await filling.finish()
}
async function goOn(form: Form, schema: string, pages: readonly RecordedEvent[][]): Promise<void> {
  const going = form.goOn(pools, schema)
  for (const page of pages) {
    const statements = await going.prepare(stretch(page))
    if (statements.length > 0) await inOneFlight(pools.pool, statements)
    going.committed()
  }
}
const content = async (schema: string): Promise<unknown[]> =>
  Promise.all(
    ['last', 'messages', 'log'].map(
      async (table): Promise<unknown[]> =>
        (await pools.pool.query<Record<string, unknown>>(`select * from ${schema}.${table} order by 1, 2, 3`)).rows,
    ),
  )

describe('a projection of one’s own', () => {
  it('comes to the same rows at once, in too little memory, and in pieces from any place on', async () => {
    await fc.assert(
      fc.asyncProperty(
        history(120, 20),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (happened, length, share) => {
          const events = recordedLog(happened)
          await fill(typescriptForm(busy), schemas.whole, [events])
          const whole = await content(schemas.whole)
          await fill(typescriptForm(busy, { mostEntries: 2 }), schemas.spilled, pagesOf(events, length))
          expect(await content(schemas.spilled)).toEqual(whole)
          const cut = Math.floor(events.length * share)
          const form = typescriptForm(busy, { mostEntries: 3 })
          await fill(form, schemas.pieces, pagesOf(events.slice(0, cut), length))
          await goOn(form, schemas.pieces, pagesOf(events.slice(cut), length))
          expect(await content(schemas.pieces)).toEqual(whole)
        },
      ),
      { numRuns: 25 },
    )
  })

  it('writes nothing of a stretch in which an event cannot be taken, and goes on from there when it can', async () => {
    let fails = true
    const choosy = project({
      tables: { counts: { conversation: 'text key', messages: 'int4' } },
      on: {
        MessageReceived(_, { stream: { id } }, { counts }) {
          counts.add({ conversation: id }, { messages: 1 })
          if (fails && id === 'b') throw new Error('not b')
        },
      },
    })
    const tenantId = randomUUID()
    const received = (id: string): Parameters<typeof recordedLog>[0][number] => [
      { tenantId, category: 'conversation', id },
      {
        type: 'MessageReceived',
        messageId: id,
        channelId: 'c',
        contactId: 'c',
        providerId: id,
        messageType: 'text',
        content: { sealed: '' },
        at: '2026-01-01T12:00:00Z',
      },
    ]
    const events = recordedLog([received('a'), received('b')])
    const form = await created(typescriptForm(choosy), 'custom_choosy')
    await fill(form, 'custom_choosy', [])
    const going = form.goOn(pools, 'custom_choosy')
    await expect(going.prepare(stretch(events))).rejects.toThrow('MessageReceived at position 2')
    fails = false
    await goOn(form, 'custom_choosy', [events])
    expect((await pools.pool.query('select conversation, messages from custom_choosy.counts order by 1')).rows).toEqual([
      { conversation: 'a', messages: 1 },
      { conversation: 'b', messages: 1 },
    ])
  })
})
