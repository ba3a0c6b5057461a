import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashOfKey } from '../../src/commands/tenants/secret-key.ts'
import type { DomainEvent } from '../../src/domain/catalogue.ts'
import { toStored } from '../../src/domain/kernel/codec.ts'
import { plain } from '../../src/domain/kernel/secret.ts'
import { streamRef, type Category } from '../../src/domain/kernel/stream.ts'
import { apiKeys } from '../../src/projections/apiKeys/projection.ts'
import { tenants } from '../../src/projections/tenants/projection.ts'
import { openHouse } from '../support/house.ts'
import { launchRecado, runRecado, startRecado } from '../support/processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'recado-custom-'))
const noon = new Date('2026-01-01T12:00:00Z')
const [north, south] = [randomUUID(), randomUUID()]
const keyOf = (letter: string): string => `rk_${randomUUID()}_${letter.repeat(43)}`
const keys = { revealing: keyOf('a'), reading: keyOf('b') }
let house: Awaited<ReturnType<typeof openHouse>>
let env: Record<string, string>

async function append(tenantId: string, category: Category, id: string, happened: readonly DomainEvent[], subject = 'contact'): Promise<string> {
  const stream = streamRef(category, tenantId, id)
  await house.vault.ensure(tenantId, [subject])
  const commandId = randomUUID()
  const actor = { kind: 'process', id: 'test' } as const
  const context = { tenantId, actor, commandId, correlationId: commandId, causationId: commandId, at: noon }
  const events = happened.map((event, index) => toStored(event, { stream, index, subject }, context, house.vault))
  const result = await house.store.append({ stream, expected: 'any', events })
  if (result.outcome === 'conflict') throw new Error('conflict')
  return result.position
}

const ids = { channelId: 'channel', contactId: 'contact' }
const received = (messageId: string): DomainEvent => ({
  type: 'MessageReceived',
  messageId,
  ...ids,
  providerId: `wamid.${messageId}`,
  messageType: 'text',
  content: plain(JSON.stringify({ text: { body: `=HYPERLINK("http://x") from ${messageId}` } })),
  at: noon.toISOString(),
})
const queued = (messageId: string, content: object): DomainEvent => ({
  type: 'MessageQueued',
  messageId,
  ...ids,
  messageType: Object.keys(content)[0] ?? 'text',
  content: plain(JSON.stringify(content)),
  sentBy: { kind: 'api' },
  priority: 'agent',
})

const rowsOf = async (sql: string): Promise<Record<string, unknown>[]> => (await house.pools.owner.query<Record<string, unknown>>(sql)).rows
const run = (file: string, ...more: string[]): ReturnType<typeof runRecado> => runRecado(['projections', 'run', file, ...more], env)
const example = (name: string): string => `examples/projections/${name}`
function written(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
/** Every event of the tests is recorded now: in which hour is for the database to say. */
const messages = `select tenant_id::text, count(*) filter (where type = 'MessageReceived')::int as received, count(*) filter (where type = 'MessageQueued')::int as sent
  from es.events where type in ('MessageReceived', 'MessageQueued') group by 1 order by 1`

beforeAll(async () => {
  house = await openHouse([tenants, apiKeys])
  env = { DATABASE_URL: house.db.url, RECADO_DATA_DIR: join(folder, 'data'), RECADO_MASTER_KEY: house.masterKey.toString('base64') }
  for (const [tenantId, slug] of [
    [north, 'north'],
    [south, 'south'],
  ] as const) {
    await append(tenantId, 'tenant', tenantId, [{ type: 'TenantCreated', name: slug, slug, plan: 'free', locale: 'es' }])
  }
  const issued = (key: string, scopes: string[]): DomainEvent => ({
    type: 'ApiKeyIssued',
    keyId: key.slice(3, 39),
    name: 'analysis',
    hash: hashOfKey(key),
    hint: '…',
    scopes,
  })
  await append(north, 'tenant', north, [issued(keys.revealing, ['events:reveal']), issued(keys.reading, ['events:read'])])
  await append(north, 'conversation', 'n1', [received('m1'), queued('m2', { template: { name: 'welcome' } }), received('m3')])
  await append(north, 'conversation', 'n2', [queued('m4', { template: { name: 'welcome' } })])
  const last = await append(south, 'conversation', 's1', [received('m5'), received('m6'), queued('m7', { text: { body: 'hi' } })])
  expect(await house.applied.waitFor(['tenants', 'apiKeys'], last as never, 20_000)).toBe(true)
})
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the examples', () => {
  it.each(['messages-per-hour.ts', 'first-response-time.ts', 'template-conversion.ts', 'messages-per-day.sql'])(
    '%s has at most fifteen lines, and is the one of the docs',
    (name) => {
      const text = readFileSync(example(name), 'utf8').trimEnd()
      expect(text.split('\n').length).toBeLessThanOrEqual(15)
      expect(readFileSync('docs/how-to/custom-projections.md', 'utf8')).toContain(text)
    },
  )

  it('count messages per hour, of every organisation by itself', async () => {
    const { code, lines } = await run(example('messages-per-hour.ts'))
    expect([code, lines.join('\n')]).toEqual([0, expect.stringContaining('shows the log up to position')])
    const summed = await rowsOf(`select tenant_id::text, sum(received)::int as received, coalesce(sum(sent), 0)::int as sent
      from custom_messages_per_hour.hours group by 1 order by 1`)
    expect(summed).toEqual(await rowsOf(messages))
    expect(await rowsOf('select distinct channel_id, extract(minute from hour)::int as minute from custom_messages_per_hour.hours')).toEqual([
      { channel_id: 'channel', minute: 0 },
    ])
  })

  it('tell how long customers waited', async () => {
    expect((await run(example('first-response-time.ts'))).code).toBe(0)
    const answers = await rowsOf('select tenant_id::text, conversation, asked_at, seconds from custom_first_response_time.answers order by position')
    expect(answers).toEqual([
      { tenant_id: north, conversation: 'n1', asked_at: noon, seconds: expect.any(Number) },
      { tenant_id: south, conversation: 's1', asked_at: noon, seconds: expect.any(Number) },
    ])
    expect(await rowsOf('select conversation from custom_first_response_time.waiting')).toEqual([{ conversation: 'n1' }])
  })

  it('tell which templates are answered to a credential that may open what was written, and put that on record', async () => {
    const file = example('template-conversion.ts')
    const without = await run(file, '--reveal')
    expect([without.code, without.lines.join('\n')]).toEqual([1, expect.stringContaining('RECADO_API_KEY')])
    const may = (key: string): ReturnType<typeof runRecado> => runRecado(['projections', 'run', file, '--reveal'], { ...env, RECADO_API_KEY: key })
    expect(await may(keys.reading)).toMatchObject({ code: 1, lines: [expect.stringContaining('lacks the scope events:reveal')] })
    expect((await may(keyOf('c'))).code).toBe(1)
    expect(await may(keys.revealing)).toMatchObject({ code: 0 })
    expect(await rowsOf('select tenant_id::text, template, sent, answered from custom_template_conversion.templates')).toEqual([
      { tenant_id: north, template: 'welcome', sent: 2, answered: 1 },
    ])
    const entries = await rowsOf(`select tenant_id::text, metadata -> 'actor' ->> 'kind' as kind, data ->> 'what' as what from es.events
      where type = 'AccessRecorded' and data ->> 'what' = 'events_revealed'`)
    expect(entries).toEqual([{ tenant_id: north, kind: 'api', what: 'events_revealed' }])
  })

  it('count messages per day as one SELECT, in the log as a whole and in pieces', async () => {
    const file = example('messages-per-day.sql')
    expect(await run(file)).toMatchObject({ code: 0 })
    const counted = `select tenant_id::text, received::int, sent::int from custom_messages_per_day.messages_per_day order by 1`
    expect(await rowsOf(counted)).toEqual(await rowsOf(messages))
    await append(south, 'conversation', 's2', [received('m8')])
    expect((await run(file)).lines.join('\n')).toContain('Going on with custom_messages_per_day')
    expect(await rowsOf(counted)).toEqual(await rowsOf(messages))
  })
})

describe('tables of one’s own', () => {
  const count = (name: string, extra = ''): string =>
    written(
      `${name}.ts`,
      `import { project } from 'recado'
       export default project({ tables: { counts: { conversation: 'text key', messages: 'int4' } }, on: {
         MessageReceived: (_, at, { counts }) => counts.add({ conversation: at.stream.id }, { messages: 1 }),${extra}
       } })`,
    )

  it('are gone on with where they stand, and built anew when the file says something else', async () => {
    const file = count('kept')
    expect((await run(file)).lines.join('\n')).toContain('Building custom_kept')
    await append(north, 'conversation', 'k1', [received('k1'), received('k2')])
    expect((await run(file)).lines.join('\n')).toContain('Going on with custom_kept')
    expect(await rowsOf(`select messages from custom_kept.counts where conversation = 'k1'`)).toEqual([{ messages: 2 }])
    count('kept', ' MessageQueued: (_, at, { counts }) => counts.add({ conversation: at.stream.id }, { messages: 10 }),')
    expect((await run(file)).lines.join('\n')).toContain('Building custom_kept')
    expect(await rowsOf(`select messages from custom_kept.counts where conversation = 'n2'`)).toEqual([{ messages: 10 }])
  })

  it('stand behind the walls between organisations', async () => {
    await run(count('walled'))
    const api = await house.pools.api.connect()
    try {
      await api.query('begin')
      expect((await api.query('select from custom_walled.counts')).rowCount).toBe(0)
      await api.query(`set local recado.tenant = '${south}'`)
      const { rows } = await api.query<{ tenant_id: string }>('select distinct tenant_id::text from custom_walled.counts')
      expect(rows).toEqual([{ tenant_id: south }])
      await api.query('rollback')
    } finally {
      api.release()
    }
  })

  it('may be read by analysts, and the log beside them, with nothing in it that opens anything', async () => {
    await run(count('analysed'))
    const client = await house.pools.owner.connect()
    try {
      await client.query('begin; set local role recado_analyst')
      expect((await client.query('select distinct tenant_id from custom_analysed.counts')).rowCount).toBe(2)
      const { rows } = await client.query<{ data: object }>(`select data from log.events where type = 'ApiKeyIssued' limit 1`)
      expect(Object.keys(rows[0]?.data ?? {}).toSorted()).toEqual(['hint', 'keyId', 'name', 'scopes'])
      await expect(
        client.query('insert into custom_analysed.counts (tenant_id, conversation) select tenant_id, $1 from log.events', ['x']),
      ).rejects.toThrow('permission denied')
      await client.query('rollback; begin; set local role recado_analyst')
      await expect(client.query('select from es.events')).rejects.toThrow('permission denied')
      await client.query('rollback')
    } finally {
      client.release()
    }
  })

  it('hold one organisation, and what came after a place, when asked for that', async () => {
    const [first] = await rowsOf(`select min(position)::text as position from es.events where tenant_id = '${south}' and type = 'MessageReceived'`)
    await run(count('part'), '--tenant', 'south', '--from', String(first?.['position']), '--schema', 'part_of_south')
    const rows = await rowsOf('select tenant_id::text, conversation, messages from custom_part_of_south.counts order by 2')
    expect(rows).toEqual(expect.arrayContaining([{ tenant_id: south, conversation: 's1', messages: 1 }]))
    expect(new Set(rows.map((row) => row['tenant_id']))).toEqual(new Set([south]))
    expect(await run(count('nobody'), '--tenant', 'west')).toMatchObject({ code: 1, lines: [expect.stringContaining('no organisation "west"')] })
  })

  it('stay as they were when an event cannot be taken, which is named', async () => {
    const file = count('careful')
    await run(file)
    const before = await rowsOf('select * from custom_careful.counts order by 1, 2')
    count('careful', ` MessageQueued: () => { throw new Error('no') },`)
    const { code, lines } = await run(file)
    expect([code, lines.join('\n')]).toEqual([1, expect.stringMatching(/MessageQueued at position \d+ .*Error: no/)])
    expect(await rowsOf('select * from custom_careful.counts order by 1, 2')).toEqual(before)
  })

  it('are refused in a sentence when the file is none', async () => {
    const said = async (text: string): Promise<string> => (await run(written('bad.ts', text))).lines.join('\n')
    expect(await said('export const nothing = 1')).toContain('This is no projection')
    expect(await said(`export default { tables: { t: { a: 'varchar' } }, on: { MessageReceived() {} } }`)).toContain('must be one of uuid, text')
    expect(await said(`export default { tables: { t: { a: 'text' } }, on: { MessageRecieved() {} } }`)).toContain(
      'no events of the type MessageRecieved',
    )
    const sql = await run(written('bad.sql', 'select tenant_id from keyring.tenant_keys'))
    expect([sql.code, sql.lines.join('\n')]).toEqual([1, expect.stringContaining('permission denied for table tenant_keys')])
    expect((await run(written('two.sql', 'select tenant_id from log.events; drop schema es cascade'))).code).toBe(1)
    expect(await rowsOf('select count(*) > 0 as there from es.events')).toEqual([{ there: true }])
  })

  it('follow the log, and a crash repeats nothing and leaves nothing out', async () => {
    const file = count('followed')
    const truth = async (): Promise<unknown> =>
      rowsOf(
        `select tenant_id::text, substr(stream_id, 14) as conversation, count(*)::int as messages from es.events where type = 'MessageReceived' group by 1, 2 order by 1, 2`,
      )
    const shown = async (): Promise<unknown> =>
      rowsOf('select tenant_id::text, conversation, messages from custom_followed.counts order by 1, 2').catch(() => undefined)
    const crashed = new AbortController()
    const writing = (async () => {
      for (let nth = 0; !crashed.signal.aborted; nth++) {
        await append(nth % 2 === 0 ? north : south, 'conversation', `f${nth % 3}`, [received(`f${nth}a`), received(`f${nth}b`)])
        await sleep(5)
      }
    })()
    for (let crash = 0; crash < 4; crash++) {
      const following = launchRecado(['projections', 'run', file, '--follow'], env)
      await expect.poll(() => following.lines.join('\n')).toContain('follows it')
      await sleep(Math.random() * 200)
      await following.kill()
    }
    crashed.abort()
    await writing
    const following = launchRecado(['projections', 'run', file, '--follow'], env)
    await expect.poll(shown).toEqual(await truth())
    // Also over a database that cuts every connection.
    await rowsOf(`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'recado cli %' and datname = current_database()`)
    await append(north, 'conversation', 'f9', [received('f9')])
    await expect.poll(shown).toEqual(await truth())
    expect(await following.stop()).toBe(0)
    expect((await run(file)).lines.join('\n')).not.toContain('Building')
    expect(await shown()).toEqual(await truth())
  })
})

describe('an export of events', () => {
  const read = async (format: string, ...more: string[]): Promise<Buffer> => {
    const out = join(folder, `events.${format}`)
    const { code, lines } = await runRecado(['export', 'events', '--format', format, '--out', out, ...more], {
      ...env,
      RECADO_API_KEY: keys.revealing,
    })
    expect([code, code === 0 ? '' : lines.join('\n')]).toEqual([0, ''])
    return readFileSync(out)
  }
  const jsonLines = (bytes: Buffer): Record<string, unknown>[] =>
    bytes
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('holds the same events in each of its formats', async () => {
    const only = ['--tenant', 'south', '--type', 'MessageReceived,MessageQueued']
    const lines = jsonLines(await read('ndjson', ...only))
    const [there] = await rowsOf(
      `select count(*)::int as n from es.events where tenant_id = '${south}' and type in ('MessageReceived', 'MessageQueued')`,
    )
    expect(lines).toHaveLength(Number(there?.['n']))
    const csv = (await read('csv', ...only)).toString().trimEnd().split('\r\n')
    expect(csv).toHaveLength(lines.length + 1)
    const bytes = await read('parquet', ...only)
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
    const rows = await parquetReadObjects({ file })
    expect(rows.map((row): unknown[] => [row['id'], row['data'], row['position']])).toEqual(
      lines.map((line) => [line['id'], line['data'], BigInt(String(line['position']))]),
    )
  })

  it('shows what is personal sealed, and opened to a credential that may', async () => {
    const only = ['--tenant', 'north', '--type', 'MessageReceived']
    expect((await read('ndjson', ...only)).toString()).not.toContain('from m1')
    expect((await read('ndjson', ...only, '--reveal')).toString()).toContain('from m1')
    // No cell begins with what a spreadsheet would run.
    expect((await read('csv', ...only, '--reveal')).toString()).not.toMatch(/(^|,)"?[=+@]/m)
    expect(await runRecado(['export', 'events', '--tenant', 'south', '--reveal'], { ...env, RECADO_API_KEY: keys.revealing })).toMatchObject({
      code: 1,
    })
  })

  it('has no credentials and hashes of keys in it', async () => {
    const [first] = jsonLines(await read('ndjson', '--type', 'ApiKeyIssued'))
    expect(first?.['data']).toMatchObject({ name: 'analysis', hash: null })
  })
})

describe('beside the embedded database', () => {
  it('works while the program runs, and while it does not', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'recado-custom-embedded-'))
    const env = { RECADO_DATA_DIR: dataDir, RECADO_DEMO: '1', LOG_LEVEL: 'warn' }
    const counted = async (): Promise<string> => {
      const { code, lines } = await runRecado(['projections', 'run', example('messages-per-hour.ts')], env)
      expect([code, code === 0 ? '' : lines.join('\n')]).toEqual([0, ''])
      return lines.join('\n')
    }
    const recado = await startRecado({ env })
    try {
      expect(await counted()).toContain('Building custom_messages_per_hour')
    } finally {
      await recado.stop()
    }
    expect(await counted()).not.toContain('Building')
    rmSync(dataDir, { recursive: true, force: true })
  })
})
