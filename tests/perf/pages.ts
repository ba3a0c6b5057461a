import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { createVault } from '../../src/adapters/keyring/vault.ts'
import type { SealContext } from '../../src/domain/kernel/vault.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { createInstallation, masterKey, operatorKey, type Installation } from './installation.ts'
import { machineLoad } from './load.ts'
import { generateLog, loadLog } from './rebuild/log.ts'

export type PagesBench = {
  /** Conversations of the small and of the large inbox; threads have ten messages for each of the large one's, and as many as the small one's. */
  readonly small?: number
  readonly large?: number
  /** In the log that is rebuilt while its read models are read. */
  readonly events?: number
  /** Requests of each kind that are measured. */
  readonly asked?: number
}

const pageOf = 50
const perThread = 100
/** People whose names and words are really sealed; beyond them they repeat. Their keys fit in memory, as those of the people of one page do. */
const sealedPeople = 2_000

/**
 * A page of the inbox and of a thread through the HTTP API, one caller: small against large read models (the rows written by SQL, what the API opens really
 * sealed), and the same pages while the read models that they are read from are rebuilt and change places.
 */
export async function benchPages({ small = 10_000, large = 100_000, events = 200_000, asked = 1_000 }: PagesBench = {}): Promise<void> {
  const server = await startThrowAwayPostgres()
  try {
    for (const [conversations, messages] of [
      [small, small],
      [large, 10 * large],
    ] as const) {
      const installation = await createInstallation({ server: server.url })
      try {
        await fill(installation, conversations, messages)
        console.log(
          `  ${conversations.toLocaleString('en')} conversations, ${messages.toLocaleString('en')} messages  load ${machineLoad().toFixed(1)}`,
        )
        const ask = asker(installation)
        for (const [what, path] of pagesOf(Math.ceil(messages / perThread), installation.channelId)) {
          const cpu = await cpuClock(installation)
          const took = await timed(asked, async () => ask(path(), pageOf))
          console.log(`    ${what.padEnd(34)} ${shown(took)}; ${await cpu(took.length + warmUp)}`)
        }
        ask.end()
      } finally {
        await installation.end()
      }
    }
    await duringRebuild(server.url, events)
  } finally {
    await server.stop()
  }
}

/** Every filter of the list, and threads anywhere: a page has fifty rows in all of them. */
const pagesOf = (threads: number, channelId: string): readonly (readonly [string, () => string])[] => {
  const inbox = `/v1/conversations?limit=${pageOf}`
  const thread = (): string => `/v1/conversations/c${Math.floor(Math.random() * threads)}/messages?limit=${pageOf}`
  return [
    ['inbox', () => inbox],
    ['inbox, open', () => `${inbox}&status=open`],
    ['inbox, unread', () => `${inbox}&unread=true`],
    ['inbox, everything read', () => `${inbox}&unread=false`],
    ['inbox of a channel', () => `${inbox}&channel=${channelId}`],
    ['inbox of a quiet channel', () => `${inbox}&channel=quiet`],
    ['inbox, changed of late', () => `${inbox}&updated_since=${encodeURIComponent(late)}`],
    ['thread', thread],
  ]
}
const late = '2026-01-20T00:00:00Z'

/**
 * One conversation in fifty is open, one in a hundred unread; sixty are a quiet channel's, and sixty that nobody wrote in for long were changed of late.
 * A thread has a hundred messages.
 */
async function fill({ databaseUrl, tenantId, channelId }: Installation, conversations: number, messages: number): Promise<void> {
  const pool = createPool({ url: databaseUrl, role: 'recado_worker', max: 2, name: 'bench vault' })
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const vault = createVault({ pool, masterKey, cacheSize: 2 * sealedPeople })
    const people = Array.from({ length: Math.min(sealedPeople, conversations) }, (_, nth) => `p${nth}`)
    await vault.ensure(tenantId, people)
    const eventId = '0197c0de-0000-7000-8000-00000000beef'
    const said = JSON.stringify({ text: { body: 'Buenas, ¿sigue disponible el departamento de dos ambientes de la calle Belgrano? '.repeat(2) } })
    const rows = people.map((subject, nth) => {
      const context = (field: string): SealContext => ({ tenantId, subject, eventId, field })
      return [vault.seal(context('name'), `Clienta número ${nth}`), vault.seal(context('content'), said)]
    })
    await client.query('create temp table people (nth int primary key, name text, content text)')
    await client.query('insert into people select * from unnest($1::int[], $2::text[], $3::text[])', [
      people.map((_, nth) => nth),
      rows.map(([name]) => name),
      rows.map(([, content]) => content),
    ])
    // Made when the rows are there: ten million entries in no order would each be a place of its own.
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(
      `select format('%I.%I', schemaname, indexname) as name, indexdef as definition from pg_indexes
       where schemaname in ('rm_conversations', 'rm_contacts', 'rm_messages') and indexname !~ '_pkey$'`,
    )
    for (const { name } of indexes) await client.query(`drop index ${name}`)
    const known = [tenantId, channelId, conversations, eventId, people.length] as const
    // Moments in no order of the table: rows of a page lie anywhere, as they do after weeks of traffic.
    await client.query(
      `insert into rm_conversations.conversations (tenant_id, id, channel_id, contact_id, status, unread_count, last_message_id, last_message_provider_id,
         last_message_direction, last_message_type, last_message_status, last_message_content, last_message_event_id, last_message_at, last_activity_at,
         created_at, updated_at, changed_hour, version)
       select $1::uuid, 'c' || n, case when n % ($3::int / 60) = 7 then 'quiet' else $2 end, 'p' || n % $5::int,
         case when n % 50 = 0 then 'open' else 'resolved' end, (n % 100 = 0)::int, 'm' || n, 'w' || n, 'inbound', 'text', 'received', p.content, $4::uuid,
         at, at, at, changed, floor(extract(epoch from changed) / 3600), 1
       from generate_series(0, $3::int - 1) n join people p on p.nth = n % $5::int,
         lateral (select timestamptz '2026-01-01' + (n * 7919::bigint % $3::int) * (interval '10 days' / $3::int) as at) t,
         lateral (select case when n % ($3::int / 60) = 0 then timestamptz '2026-01-21' else at end as changed) u`,
      [...known],
    )
    await client.query(
      `insert into rm_contacts.contacts (tenant_id, id, name, name_event_id, listed, identities, consents, duplicates, source, created_at, updated_at, version)
       select $1::uuid, 'p' || n, p.name, $3::uuid, false, '[]', '{}', '[]', 'bench', now(), now(), 1
       from generate_series(0, $2::int - 1) n left join people p on p.nth = n`,
      [tenantId, conversations, eventId],
    )
    await client.query(
      `insert into rm_messages.messages (tenant_id, id, conversation_id, channel_id, contact_id, direction, type, provider_id, status, event_id, content,
         status_history, thread_at, occurred_at, recorded_at, position, version)
       select $1::uuid, 'm' || n, 'c' || thread, $2, 'p' || thread % $5::int, 'inbound', 'text', 'w' || n, 'received', $4::uuid, p.content, '[]', at, at, at, n, 1
       from generate_series(0, $3::int - 1) n, lateral (select n % greatest($3::int / $6::int, 1) as thread) c join people p on p.nth = thread % $5::int,
         lateral (select timestamptz '2026-01-01' + n * interval '100 ms' as at) t`,
      [tenantId, channelId, messages, eventId, people.length, perThread],
    )
    await client.query(`set maintenance_work_mem = '512MB'`)
    for (const { definition } of indexes) await client.query(definition)
    await client.query('vacuum (analyze) rm_conversations.conversations, rm_contacts.contacts, rm_messages.messages')
    await client.query('checkpoint')
  } finally {
    await Promise.all([pool.end(), client.end()])
  }
}

/** Real events of one organisation, applied by the live writers; then the pages, without and with a rebuild of both read models under way. */
async function duringRebuild(server: string, events: number): Promise<void> {
  const installation = await createInstallation({ server })
  const { databaseUrl, tenantId, get } = installation
  try {
    const conversations = Math.max(100, Math.round(events / 100))
    const shape = { events, conversations, tenants: [tenantId], after: await headOf(databaseUrl) }
    await loadLog(databaseUrl, shape, await sealing(databaseUrl, tenantId, generateLog(shape)))
    await applied(installation)
    const ask = asker(installation)
    const { data } = await get<{ data: { id: string }[] }>('/v1/conversations?limit=200')
    const threads = data.map(({ id }) => id)
    const once = async (nth: number): Promise<void> => {
      await ask(`/v1/conversations?limit=${pageOf}`, pageOf)
      await ask(`/v1/conversations/${threads[nth % threads.length] ?? ''}/messages?limit=${pageOf}`, 1)
    }
    console.log(
      `  ${events.toLocaleString('en')} events, ${conversations.toLocaleString('en')} conversations: inbox and a thread  load ${machineLoad().toFixed(1)}`,
    )
    const quiet = await timed(500, once)
    console.log(`    nothing else going on              ${shown(quiet)}`)
    const rebuild = await startRebuild(installation.recado.url)
    const meanwhile: number[] = []
    let state = 'created'
    let looked = performance.now()
    for (let nth = 0; state !== 'live'; nth++) {
      const began = performance.now()
      await once(nth)
      meanwhile.push(performance.now() - began)
      if (performance.now() - looked < 200) continue
      looked = performance.now()
      state = await stateOf(installation.recado.url, rebuild)
      if (state === 'failed' || state === 'aborted') throw new Error(`the rebuild ended ${state}`)
    }
    ask.end()
    console.log(
      `    while both are rebuilt and switched ${shown(meanwhile)}: ${(quantile(meanwhile, 0.99) / quantile(quiet, 0.99)).toFixed(2)} × (aim ≤ 2)`,
    )
  } finally {
    await installation.end()
  }
}

async function headOf(url: string): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return Number((await client.query<{ head: string }>('select coalesce(max(position), 0) as head from es.events')).rows[0]?.head)
  } finally {
    await client.end()
  }
}

/** The generator's contents are no ciphertexts; whoever reads through the API gets them opened. */
async function sealing(url: string, tenantId: string, lines: ReturnType<typeof generateLog>): Promise<ReturnType<typeof generateLog>> {
  const all = [...lines]
  const pool = createPool({ url, role: 'recado_worker', max: 2, name: 'bench vault' })
  try {
    const subjectOf = ({ stream, data }: (typeof all)[number]): string =>
      /"contactId":"([^"]+)"/.exec(data)?.[1] ?? stream.slice(stream.indexOf('-') + 1)
    const subjects = [...new Set(all.filter(({ data }) => data.includes('"sealed"')).map(subjectOf))]
    const vault = createVault({ pool, masterKey, cacheSize: subjects.length + 1 })
    await vault.ensure(tenantId, subjects)
    const text = JSON.stringify({ text: { body: 'Hola, ¿cómo va todo por ahí? '.repeat(4) } })
    return (function* () {
      for (const line of all) {
        const field = line.type === 'ContactCreated' ? 'name' : 'content'
        const context = { tenantId, subject: subjectOf(line), eventId: line.id, field }
        yield { ...line, data: line.data.replace(/"sealed":"[^"]+"/, () => `"sealed":"${vault.seal(context, text)}"`) }
      }
    })()
  } finally {
    await pool.end()
  }
}

async function applied({ get }: Installation): Promise<void> {
  for (const began = performance.now(); ; await sleep(200)) {
    const progress = await get<readonly { lag_events: number | null }[]>('/v1/projections')
    if (progress.every(({ lag_events }) => lag_events === 0)) return
    if (performance.now() - began > 1_800_000) throw new Error('the read models do not catch up')
  }
}

const asOperator = { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' }

async function startRebuild(url: string): Promise<string> {
  const body = JSON.stringify({ with: ['messages'] })
  const answer = await fetch(`${url}/v1/projections/conversations/rebuild`, { method: 'POST', headers: asOperator, body })
  if (answer.status !== 202) throw new Error(`a rebuild was answered with ${answer.status}: ${await answer.text()}`)
  return ((await answer.json()) as { rebuild_id: string }).rebuild_id
}

const stateOf = async (url: string, id: string): Promise<string> =>
  ((await (await fetch(`${url}/v1/rebuilds/${id}`, { headers: asOperator })).json()) as { state: string }).state

/** One connection that stays. @throws when an answer is not 200, or shows fewer rows than that */
function asker({ recado, authorization }: Pick<Installation, 'recado' | 'authorization'>) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (path: string, atLeast: number): Promise<void> => {
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asking = request(`${recado.url}${path}`, { agent, headers: { authorization } }, (answer) => {
        const parts: Buffer[] = []
        answer
          .on('data', (part: Buffer) => parts.push(part))
          .on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }))
        answer.on('error', reject)
      })
      asking.on('error', reject).end()
    })
    const rows = status === 200 ? (JSON.parse(text) as { data: readonly unknown[] }).data.length : 0
    if (rows < atLeast) throw new Error(`${path} was answered with ${status} and ${rows} rows: ${text.slice(0, 300)}`)
  }
  return Object.assign(ask, { end: () => agent.destroy() })
}

const tickMs = 10
const cpuOf = (pid: number): number => {
  try {
    const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/\(.*\)/, 'name')
      .split(' ')
      .slice(13)
    return (Number(utime) + Number(stime)) * tickMs
  } catch {
    return 0 // it has gone, or there is no /proc
  }
}

/** What the program and the backends of its database have used since: the same on a machine where others work too. */
async function cpuClock({ recado, databaseUrl }: Installation): Promise<(requests: number) => Promise<string>> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  const used = async (): Promise<{ node: number; postgres: number }> => {
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_activity where datname = current_database()')
    return { node: cpuOf(recado.pid), postgres: rows.reduce((sum, { pid }) => sum + cpuOf(pid), 0) }
  }
  const before = await used()
  return async (requests) => {
    const after = await used()
    await client.end()
    const each = (of: 'node' | 'postgres'): string => ((after[of] - before[of]) / requests).toFixed(2)
    return `CPU ms a request: ${each('node')} node, ${each('postgres')} postgres`
  }
}

const warmUp = 50

/** After some to warm up, in milliseconds. */
async function timed(times: number, once: (nth: number) => Promise<void>): Promise<number[]> {
  const took: number[] = []
  for (let nth = 0; nth < times + warmUp; nth++) {
    const began = performance.now()
    await once(nth)
    if (nth >= warmUp) took.push(performance.now() - began)
  }
  return took
}

const quantile = (took: readonly number[], share: number): number => {
  const sorted = Float64Array.from(took).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
const shown = (took: readonly number[]): string => `p50 ${quantile(took, 0.5).toFixed(1)} p99 ${quantile(took, 0.99).toFixed(1)} ms of ${took.length}`

/** `--small 10000 --large 1000000 --events 2000000 --asked 2000` */
export function pagesOptions(argv: readonly string[] = process.argv): PagesBench {
  const number = (name: string): Record<string, number> => {
    const place = argv.indexOf(`--${name}`)
    return place === -1 ? {} : { [name]: Number(argv[place + 1]) }
  }
  return { ...number('small'), ...number('large'), ...number('events'), ...number('asked') }
}

if (import.meta.main) await benchPages(pagesOptions())
