import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { DomainEvent } from '../../../src/domain/catalogue.ts'
import { randomFrom } from '../../faults/scenario.ts'

/** An event as it goes into a table; `data` and `meta` are JSON text. */
export type Line = {
  readonly position: number
  readonly recordedAt: string
  readonly tenantId: string
  readonly stream: string
  readonly version: number
  readonly id: string
  readonly type: string
  readonly data: string
  readonly meta: string
}

export type LogShape = {
  readonly events: number
  readonly conversations: number
  readonly tenants: readonly string[]
  readonly seed?: number
  /** Before the first event, when the log has some already. */
  readonly after?: number
}

const begin = Date.parse('2026-01-01T12:00:00Z')
const apartMs = 150
const sealedBytes = randomBytes(64 * 1024).toString('base64')
/** Kinds of ids, so that the same number means another id in each. */
const kinds = { conversation: 1, contact: 2, channel: 3, message: 4, event: 5, correlation: 6 } as const

/** Looks like the ids of production, which are made from hashes: no order in them that an index could like. */
export function idOf(kind: keyof typeof kinds, nth: number): string {
  const words = [1, 2, 3, 4].map((salt) => {
    let word = Math.imul(nth ^ (salt * 0x9e3779b1), 0x85ebca6b) ^ Math.imul(kinds[kind], 0xc2b2ae35)
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d)
    word = Math.imul(word ^ (word >>> 12), 0x297a2d39)
    return ((word ^ (word >>> 15)) >>> 0).toString(16).padStart(8, '0')
  })
  const hex = words.join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}

/**
 * The log of a busy day: customers write, are answered (with the five events that follow an answer, while others write), threads are read. Few
 * conversations are busy and many are quiet; contents are sealed and have 100 to 400 characters. Deliveries are left out: no read model that is measured
 * reads them, and every event that only has to be passed by would flatter the rates.
 */
export function* generateLog({ events, conversations, tenants, seed = 1, after = 0 }: LogShape): Generator<Line> {
  const random = randomFrom(seed)
  const versions = new Int32Array(conversations)
  const unread = new Int32Array(conversations)
  const waiting: (() => void)[][] = Array.from({ length: 1_024 }, () => [])
  const out: Line[] = []
  let position = after
  let messages = after
  let turn = 0

  const sealed = (): { sealed: string } => {
    const from = Math.floor(random() * (sealedBytes.length - 400))
    return { sealed: sealedBytes.slice(from, from + 100 + Math.floor(random() * 300)) }
  }
  const tenantOf = (conversation: number): string => tenants[conversation % tenants.length] ?? ''
  const now = (): string => new Date(begin + position * apartMs).toISOString()
  const later = (turns: number, happen: () => void): unknown => waiting[(turn + turns) % waiting.length]?.push(happen)

  function put(conversation: number, { type, ...data }: DomainEvent, actor: object, stream?: string): void {
    position++
    const correlationId = idOf('correlation', position)
    out.push({
      position,
      recordedAt: now(),
      tenantId: tenantOf(conversation),
      stream: stream ?? `conversation-${idOf('conversation', conversation)}`,
      version: stream === undefined ? (versions[conversation] = (versions[conversation] ?? 0) + 1) : 1,
      id: idOf('event', position),
      type,
      data: JSON.stringify(data),
      meta: JSON.stringify({ occurredAt: now(), correlationId, causationId: correlationId, actor }),
    })
  }
  const partiesOf = (conversation: number) => ({
    channelId: idOf('channel', conversation % tenants.length),
    contactId: idOf('contact', conversation),
  })

  function received(conversation: number): void {
    const messageId = idOf('message', ++messages)
    unread[conversation] = (unread[conversation] ?? 0) + 1
    put(
      conversation,
      {
        type: 'MessageReceived',
        messageId,
        ...partiesOf(conversation),
        providerId: wamid(messageId),
        messageType: 'text',
        content: sealed(),
        at: now(),
      },
      intake,
    )
  }

  function answered(conversation: number): void {
    const messageId = idOf('message', ++messages)
    const providerId = wamid(messageId)
    const about = partiesOf(conversation)
    put(
      conversation,
      { type: 'MessageQueued', messageId, ...about, messageType: 'text', content: sealed(), sentBy: person, priority: 'agent' },
      agent,
    )
    later(2, () => put(conversation, { type: 'SendAttempted', messageId, attempt: 1 }, sender))
    later(4, () => put(conversation, { type: 'SendAccepted', messageId, attempt: 1, providerId }, sender))
    for (const [status, turns] of [
      ['sent', 8],
      ['delivered', 14],
      ['read', 200 + Math.floor(random() * 600)],
    ] as const) {
      if (status === 'read' && random() < 0.3) continue
      later(turns, () => put(conversation, { type: 'MessageStatusChanged', messageId, providerId, status, at: now() }, intake))
    }
  }

  for (const last = after + events; position < last;) {
    turn++
    const due = waiting[turn % waiting.length] ?? []
    for (const happen of due.splice(0)) happen()
    const conversation = Math.floor(conversations * random() ** 2)
    if (versions[conversation] === 0) {
      put(conversation, { type: 'ContactCreated', source: 'inbound', name: sealed() }, intake, `contact-${idOf('contact', conversation)}`)
      put(conversation, { type: 'ConversationStarted', ...partiesOf(conversation), by: 'inbound' }, intake)
      received(conversation)
    } else {
      const what = random()
      if (what < 0.55) received(conversation)
      else if (what < 0.9 || unread[conversation] === 0) answered(conversation)
      else {
        unread[conversation] = 0
        put(conversation, { type: 'ConversationRead', throughMessageId: idOf('message', messages), unread: 0 }, agent)
      }
    }
    for (const line of out.splice(0)) if (line.position <= last) yield line
  }
}

const intake = { kind: 'process', id: 'intake' }
const sender = { kind: 'process', id: 'sender' }
const agent = { kind: 'user', id: '0197c0de-0000-7000-8000-00000000aaaa', name: 'Ana' }
const person = { kind: 'user', id: '0197c0de-0000-7000-8000-00000000aaaa', name: 'Ana' } as const
const wamid = (messageId: string): string => `wamid.HBgN${messageId.replaceAll('-', '').toUpperCase()}`

const text = (json: string): string => json.replaceAll('\\', '\\\\')

/** Into the log itself, past `es.append`: ten thousand times faster, and there is nobody to compete with. */
export async function loadLog(url: string, shape: LogShape, lines: Iterable<Line> = generateLog(shape)): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string; definition: string }>(
      `select indexname as name, indexdef as definition from pg_indexes where schemaname = 'es' and tablename = 'events' and indexname <> 'events_pkey'`,
    )
    // Made when the rows are there.
    for (const { name } of rows) await client.query(`drop index es.${name}`)
    await copyLines(
      client,
      'copy es.events (position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata) from stdin',
      lines,
      (line) =>
        `${line.position}\t${line.recordedAt}\t${line.tenantId}\t${line.stream}\t${line.version}\t${line.id}\t${line.type}\t1\t${text(line.data)}\t${text(line.meta)}\n`,
    )
    await client.query(`set maintenance_work_mem = '256MB'`)
    for (const { definition } of rows) await client.query(definition)
    await client.query('vacuum (analyze) es.events')
  } finally {
    await client.end()
  }
}

/** The same events in the tables of emmett-postgresql, which exist already. Its streams bear the tenant in their names. */
export async function loadEmmett(url: string, shape: LogShape): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
    const xid = rows[0]?.xid ?? '1'
    await copyLines(
      client,
      'copy emt_messages (stream_position, transaction_id, stream_id, message_schema_version, message_id, message_type, message_data, message_metadata) from stdin',
      generateLog(shape),
      (line) => `${line.version}\t${xid}\t${line.stream}:${line.tenantId}\t1\t${line.id}\t${line.type}\t${text(line.data)}\t${text(line.meta)}\n`,
    )
    await client.query('vacuum (analyze) emt_messages')
  } finally {
    await client.end()
  }
}

async function copyLines(client: Client, sql: string, lines: Iterable<Line>, format: (line: Line) => string): Promise<void> {
  const stream = client.query(copyFrom(sql))
  const done = finished(stream)
  done.catch(() => undefined)
  let chunk = ''
  for (const line of lines) {
    chunk += format(line)
    if (chunk.length < 256 * 1024) continue
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), done])
    chunk = ''
  }
  stream.end(chunk)
  await done
}
