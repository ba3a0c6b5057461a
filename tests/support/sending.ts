import { randomBytes, randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { checkMasterKey } from '../../src/adapters/keyring/master-key.ts'
import { createVault } from '../../src/adapters/keyring/vault.ts'
import { createAddressOf } from '../../src/commands/contacts/address-of.ts'
import { createMeetContact } from '../../src/commands/contacts/meet-contact.ts'
import { createCommands } from '../../src/commands/kernel/execute.ts'
import type { CloudApi, OutgoingMessage, SendOutcome } from '../../src/commands/ports/cloud-api.ts'
import { startSender, type Sender, type SenderOptions } from '../../src/commands/processes/sender/sender.ts'
import { conversation, conversationId } from '../../src/domain/conversation/conversation.ts'
import type { Priority } from '../../src/domain/conversation/events.ts'
import type { Outgoing } from '../../src/domain/conversation/state.ts'
import type { CommandContext } from '../../src/domain/kernel/context.ts'
import { streamRef } from '../../src/domain/kernel/stream.ts'
import { createPool } from '../../src/postgres/pool.ts'

export type Call = {
  readonly messageId: string
  readonly text: string
  readonly to: OutgoingMessage['to']
  readonly token: string
  readonly at: number
}
export type FakeProvider = {
  readonly calls: Call[]
  /** What a call is answered with; accepted when it says nothing. */
  answer: (call: Call, nth: number) => Promise<SendOutcome | undefined> | SendOutcome | undefined
  readonly underWay: () => number
  readonly api: CloudApi
}

const notPlayed = (): never => {
  throw new Error('not part of this play')
}

/** A provider within the process that says what the test wants. */
export function createFakeProvider(): FakeProvider {
  let underWay = 0
  const provider: FakeProvider = {
    calls: [],
    answer: () => undefined,
    underWay: () => underWay,
    api: {
      async send({ accessToken }, { callbackData, object, to }) {
        const call = { messageId: callbackData, text: (object as { body: string }).body, to, token: accessToken, at: Date.now() }
        provider.calls.push(call)
        underWay++
        try {
          const answer = await provider.answer(call, provider.calls.length)
          return answer ?? { outcome: 'accepted', providerId: `wamid.${callbackData}.${provider.calls.length}` }
        } finally {
          underWay--
        }
      },
      markRead: notPlayed,
      describeNumber: notPlayed,
      subscribeApp: notPlayed,
      close: async () => undefined,
    },
  }
  return provider
}

export type Process = Awaited<ReturnType<typeof startProcess>>

/**
 * One process of Recado as far as sending goes: pool, log, vault and commands of its own on a shared database, and a sender when it is started.
 * Several of them on one database are several processes in everything but memory.
 */
export async function startProcess({ url, masterKey }: { url: string; masterKey: Buffer }) {
  const pool = createPool({ url, role: 'recado_worker', max: 10, name: 'sending' })
  await checkMasterKey({ pool, masterKey })
  const store = createPostgresEventStore({ pool, listenUrl: url })
  const vault = createVault({ pool, masterKey })
  const commands = createCommands({ store, vault })
  const meetContact = createMeetContact({ commands, vault })
  const senders: { sender: Sender; stop: AbortController }[] = []

  const context = (tenantId: string): CommandContext => {
    const commandId = randomUUID()
    return { tenantId, actor: { kind: 'api', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: new Date() }
  }

  /** Conversations whose customer has just written: any text may be sent. */
  async function openConversation(tenantId: string, channelId: string, waId: string): Promise<{ id: string; contactId: string }> {
    const { contactId } = await meetContact({ waId }, 'test', context(tenantId))
    const id = conversationId(tenantId, channelId, contactId)
    const received = { type: 'receive', channelId, contactId, messageId: randomUUID(), providerId: `wamid.${randomUUID()}` } as const
    const content = { messageType: 'text', content: '{"text":{"body":"Hola"}}', at: new Date().toISOString() }
    await commands.execute(conversation, id, { ...received, ...content }, context(tenantId))
    return { id, contactId }
  }

  async function queue(
    tenantId: string,
    channelId: string,
    { id, contactId }: { id: string; contactId: string },
    text: string,
    priority: Priority = 'agent',
  ): Promise<string> {
    const messageId = randomUUID()
    const wish = { type: 'queue', channelId, contactId, messageId, messageType: 'text', content: JSON.stringify({ text: { body: text } }) } as const
    const outcome = await commands.execute(conversation, id, { ...wish, sentBy: { kind: 'user' }, priority, at: new Date() }, context(tenantId))
    if (!('events' in outcome)) throw new Error('the message was not queued')
    return messageId
  }

  return {
    pool,
    store,
    vault,
    commands,
    context,
    openConversation,
    queue,
    /** Several messages into conversations of their own, as many at once as the store takes. */
    async queueMany(tenantId: string, channelId: string, count: number, priority: Priority = 'agent'): Promise<string[]> {
      return Promise.all(
        Array.from({ length: count }, async () => {
          const one = await openConversation(tenantId, channelId, String(5_490_000_000_000 + Math.floor(Math.random() * 9e9)))
          return queue(tenantId, channelId, one, 'Hola', priority)
        }),
      )
    },
    startSender(options: Partial<SenderOptions> & Pick<SenderOptions, 'cloudApi'>): Sender & { stop: () => Promise<void> } {
      const stop = new AbortController()
      const sender = startSender({
        store,
        commands,
        pool,
        vault,
        accountOf: async (_tenantId, channelId) => ({ phoneNumberId: channelId, wabaId: 'waba', accessToken: 'token' }),
        recipientOf: createAddressOf({ store, vault }),
        media: { resolve: async (_account, { object }) => ({ object }), forget: async () => false },
        owner: `test ${process.pid} ${randomUUID()}`,
        signal: stop.signal,
        clock: () => new Date(),
        log: pino({ level: process.env['SENDER_LOG'] ?? 'silent' }),
        times: { leaseMs: 3_000, pollMs: 200, idleMs: 30_000 },
        ...options,
      })
      senders.push({ sender, stop })
      return {
        ...sender,
        async stop() {
          stop.abort()
          await sender.done
        },
      }
    },
    /** Where a message stands by the log, past every cache. */
    async messageOf(tenantId: string, id: string, messageId: string): Promise<Outgoing | undefined> {
      let state = conversation.initial
      for await (const event of store.readStream(streamRef('conversation', tenantId, id))) {
        state = conversation.evolve(state, { type: event.type, ...event.data } as never)
      }
      const message = state.messages.get(messageId)
      return message === 'inbound' ? undefined : message
    },
    /** The events of messages in the log, oldest first. */
    async eventsOf(messageId: string): Promise<string[]> {
      const { rows } = await pool.query<{ type: string }>(`select type from es.events where data->>'messageId' = $1 order by position`, [messageId])
      return rows.map(({ type }) => type)
    },
    async outbox(): Promise<{ message_id: string; state: string; attempt: number }[]> {
      const { rows } = await pool.query<{ message_id: string; state: string; attempt: number }>(
        'select message_id, state, attempt from work.outbox order by queued_position',
      )
      return rows
    },
    async close() {
      for (const { stop } of senders) stop.abort()
      await Promise.all(senders.map(({ sender }) => sender.done))
      await store.close()
      await pool.end()
    },
  }
}

export const newMasterKey = (): Buffer => randomBytes(32)
