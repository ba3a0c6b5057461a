import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { eventStoreDbServer, type EventStoreDbServer } from '../support/eventstoredb-server.ts'
import { startDemo } from '../support/demo.ts'
import { runRecado } from '../support/processes.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'recado-store-copy-'))
let db: TestDatabase
let server: EventStoreDbServer
let env: Record<string, string>

/** Every row of every read model, as the database has it. */
async function rows(): Promise<Record<string, unknown[]>> {
  const client = new Client({ connectionString: db.url })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_schema in (select schema_name from es.generations where state = 'live') and table_type = 'BASE TABLE' order by 1`,
    )
    const found: Record<string, unknown[]> = {}
    for (const { name } of tables)
      found[name] = (await client.query<{ row: unknown }>(`select to_jsonb(t) as row from ${name} t order by to_jsonb(t)::text`)).rows
    return found
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  db = await freshDatabase()
  server = await eventStoreDbServer()
  env = { DATABASE_URL: db.url, RECADO_DATA_DIR: dataDir, RECADO_DEMO: '1', LOG_LEVEL: 'warn', EVENTSTOREDB_URL: server.url }
})
afterAll(async () => {
  await db.drop()
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

describe('an installation whose log moves to EventStoreDB', () => {
  it('copies beside the work, switches in a moment, and goes on there with everything it had', async ({ skip }) => {
    if (server.kind === 'url') skip('the server is shared: a log is moved to an empty one')
    const before = await startDemo({ ...env, EVENT_STORE: 'postgres' })
    for (const text of ['hola', '¿hay alguien?', 'gracias']) await before.customerWrites(text)
    await expect.poll(async () => (await before.list('/v1/conversations')).length).toBeGreaterThan(0)
    const [conversation] = await before.list('/v1/conversations')
    const id = String(conversation?.['id'])
    const answered = await before.post(`/v1/conversations/${id}/messages`, { type: 'text', text: { body: 'a sus órdenes' } })
    expect([200, 201, 202]).toContain(answered.status)

    const copied = await runRecado(['store', 'copy', '--from', 'postgres', '--to', 'eventstoredb'], env)
    expect(copied.lines.join('\n')).toContain('Both logs hold the same')
    expect(copied.code).toBe(0)
    await before.customerWrites('mientras tanto')
    await expect.poll(before.texts).toContainEqual(expect.stringContaining('mientras tanto'))
    await expect.poll(before.sent).toEqual(['read'])
    const status = await runRecado(['store', 'status'], env)
    expect(status.lines.join('\n')).toMatch(/The log is on postgres.*it is open/)

    const texts = await before.texts()
    const switched = await runRecado(['store', 'copy', '--from', 'postgres', '--to', 'eventstoredb', '--switch'], env)
    expect(switched.lines.join('\n')).toContain('The log is on eventstoredb.')
    expect(switched.code).toBe(0)
    expect(await before.ended).toBe(1)
    expect(before.lines.join('\n')).toContain('The log is being moved to another engine')

    const old = await runRecado(['serve'], { ...env, EVENT_STORE: 'postgres', PORT: '0' })
    expect(old.code).toBe(1)
    expect(old.lines.join('\n')).toContain('set EVENT_STORE=eventstoredb')

    const there = await startDemo({ ...env, EVENT_STORE: 'eventstoredb' })
    try {
      expect(await there.texts()).toEqual(texts)
      await there.customerWrites('¿siguen ahí?')
      await expect.poll(there.texts).toContainEqual(expect.stringContaining('siguen ahí'))
      expect(await there.texts()).toHaveLength(texts.length + 1)
      // Nothing was sent again.
      expect(await there.sent()).toEqual(['read'])

      // The rows with their translated positions are what the other log makes of them.
      const kept = await rows()
      const rebuilt = await runRecado(['projections', 'rebuild', 'all', '--follow'], { ...env, EVENT_STORE: 'eventstoredb' })
      expect(rebuilt.lines.join('\n')).toContain('live')
      expect(rebuilt.code).toBe(0)
      const made = await rows()
      for (const table of ['rm_conversations.conversations', 'rm_messages.messages', 'rm_deliveries.deliveries', 'rm_contacts.contacts'])
        expect(made[table]).toEqual(kept[table])
      expect(kept['rm_messages.messages']?.length).toBeGreaterThan(4)
    } finally {
      await there.stop()
    }
  })
})
