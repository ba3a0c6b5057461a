import { loadavg } from 'node:os'
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import type { DomainEvent } from '../../src/domain/catalogue.ts'
import type { NewEvent } from '../../src/domain/kernel/envelope.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { derivedId } from '../../src/domain/kernel/ids.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { conversations } from '../../src/projections/conversations/projection.ts'
import { createAppliedPositions } from '../../src/projections/engine/applied-positions.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import type { Projection } from '../../src/projections/engine/projection.ts'
import { messages } from '../../src/projections/messages/projection.ts'
import { freshDatabase } from '../support/database.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'

/**
 * How fast the live writer applies a log that lies ready in memory: fold, rows and checkpoints, with durable commits. One message in ten is an
 * answer with the five events that follow it. `inbox` folds many events into few rows, `threads` writes a row per message.
 */
export async function benchProjections({ events = 100_000, rounds = 3, conversationCount = 5_000 } = {}): Promise<void> {
  const server = await startThrowAwayPostgres()
  try {
    const store = await logOf(events, conversationCount)
    for (let round = 1; round <= rounds; round++) {
      for (const models of [[conversations], [messages], [conversations, messages]] as Projection[][]) {
        const home = await freshDatabase(server.url)
        const { rate, microseconds } = await eventsPerSecond(home.url, store, models)
        const names = models.map(({ name }) => name).join(' + ')
        console.log(
          `round ${round}  ${names.padEnd(24)} ${Math.round(rate).toLocaleString('en')} events/s, ${microseconds.toFixed(1)} µs of this process each  load ${loadavg()[0]?.toFixed(1)}`,
        )
        await home.drop()
      }
    }
  } finally {
    await server.stop()
  }
}

async function eventsPerSecond(url: string, store: EventStore, models: readonly Projection[]): Promise<{ rate: number; microseconds: number }> {
  const pool = createPool({ url, role: 'recado_worker', max: 6, name: 'bench' })
  const ownerPool = createPool({ url, role: 'owner', max: 2, name: 'bench owner' })
  const stop = new AbortController()
  await prepareReadModels(ownerPool, models)
  const applied = createAppliedPositions({ projections: models, pool, store })
  const { position } = await store.head()
  const begun = performance.now()
  const usedBefore = process.cpuUsage()
  const running = models.map((projection) =>
    runProjection({
      projection,
      store,
      pool,
      ownerPool,
      owner: 'bench',
      signal: stop.signal,
      log: pino({ level: 'warn' }),
      onApplied: applied.report,
    }),
  )
  const names = models.map(({ name }) => name)
  if (!(await applied.waitFor(names, position, 600_000))) throw new Error('did not catch up')
  const seconds = (performance.now() - begun) / 1_000
  const used = process.cpuUsage(usedBefore)
  stop.abort()
  await Promise.all(running)
  await Promise.all([pool.end(), ownerPool.end()])
  const events = Number(position)
  return { rate: events / seconds, microseconds: (used.user + used.system) / events }
}

/** The log of one tenant with sealed contents of some 300 bytes; conversations at random, as in life. */
async function logOf(count: number, conversationCount: number): Promise<EventStore> {
  const store = createMemoryEventStore({ maxQueue: Number.POSITIVE_INFINITY })
  const tenantId = '0197c0de-0000-7000-8000-000000000001'
  const meta = { occurredAt: '2026-01-01T12:00:00Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'bench' } } as const
  const started = new Set<number>()
  for (let n = 0, made = 0; made < count; n++) {
    const conversation = Math.floor(Math.random() * conversationCount)
    const happened = [
      ...(started.has(conversation) ? [] : [startedBy(conversation)]),
      ...(n % 10 === 0 ? answer(n, conversation) : [received(n, conversation)]),
    ]
    started.add(conversation)
    const events = happened.map(({ type, ...data }, index): NewEvent => ({
      id: derivedId('bench', String(made + index)),
      type,
      schemaVersion: 1,
      data,
      meta,
    }))
    made += events.length
    await store.append({ stream: streamRef('conversation', tenantId, derivedId('conversation', String(conversation))), expected: 'any', events })
  }
  return store
}

const sealed = (): { sealed: string } => ({ sealed: randomBytes(225).toString('base64') })
const about = (n: number, conversation: number) => ({
  messageId: derivedId('m', String(n)),
  channelId: derivedId('ch'),
  contactId: derivedId('co', String(conversation)),
})
const startedBy = (conversation: number): DomainEvent => ({
  type: 'ConversationStarted',
  channelId: derivedId('ch'),
  contactId: derivedId('co', String(conversation)),
  by: 'inbound',
})
const received = (n: number, conversation: number): DomainEvent => ({
  type: 'MessageReceived',
  ...about(n, conversation),
  providerId: `wamid.${n}`,
  messageType: 'text',
  content: sealed(),
  at: '2026-01-01T12:00:00Z',
})
function answer(n: number, conversation: number): DomainEvent[] {
  const { messageId } = about(n, conversation)
  const providerId = `wamid.out.${n}`
  const status = (status: 'sent' | 'delivered' | 'read'): DomainEvent => ({
    type: 'MessageStatusChanged',
    messageId,
    providerId,
    status,
    at: '2026-01-01T12:00:09Z',
  })
  return [
    { type: 'MessageQueued', ...about(n, conversation), messageType: 'text', content: sealed(), sentBy: { kind: 'api' }, priority: 'agent' },
    { type: 'SendAttempted', messageId, attempt: 1 },
    { type: 'SendAccepted', messageId, attempt: 1, providerId },
    status('sent'),
    status('delivered'),
    status('read'),
  ]
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { events: { type: 'string' }, rounds: { type: 'string' }, conversations: { type: 'string' } } })
  await benchProjections({
    events: Number(values.events ?? 100_000),
    rounds: Number(values.rounds ?? 3),
    conversationCount: Number(values.conversations ?? 5_000),
  })
}
