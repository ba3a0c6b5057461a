import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import { channel } from '../../domain/channel/channel.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { tenant } from '../../domain/tenant/tenant.ts'
import { createCommands } from '../kernel/execute.ts'
import type { CallResult } from '../ports/cloud-api.ts'
import { createPresence } from './presence.ts'

const seal = { seal: (_: unknown, text: string) => text, ensure: async () => undefined } as unknown as Vault
const tenantId = '0197c0de-0000-7000-8000-00000000ab01'
const context = (commandId: string): CommandContext => ({
  tenantId,
  actor: { kind: 'process', id: 'spec' },
  commandId,
  correlationId: commandId,
  causationId: commandId,
  at: new Date(),
})

async function play(settings: Record<string, boolean> = {}) {
  const commands = createCommands({ store: createMemoryEventStore(), vault: seal })
  await commands.execute(tenant, tenantId, { type: 'create', name: 'Acme', slug: 'acme', plan: 'standard', locale: 'es' }, context('a'))
  await commands.execute(tenant, tenantId, { type: 'change', settings }, context('b'))
  const connection = { verified: true, facts: {} }
  const added = { type: 'add', name: 'Ventas', phoneNumberId: '1', wabaId: '2', accessToken: 'secret', connection } as const
  await commands.execute(channel, 'ventas', added, context('c'))
  const calls: string[] = []
  const answer: { with: CallResult<true> } = { with: { ok: true } }
  const directory = {
    channelOf: () => ({ status: 'connected' }) as never,
    accountOf: async () => ({ phoneNumberId: '1', wabaId: '2', accessToken: 'secret' }),
  }
  const markRead = async (_: unknown, providerId: string, typing: boolean) => {
    calls.push(typing ? `${providerId} typing` : providerId)
    return answer.with
  }
  const presence = createPresence({ commands, directory, cloudApi: { markRead }, clock: () => new Date() })
  const message = (providerId: string) => ({ tenantId, channelId: 'ventas', conversationId: 'ana', providerId })
  return { presence, message, calls, answer, stateOf: async () => (await commands.load(channel, tenantId, 'ventas')).state }
}

const settle = async (ms = 0) => vi.advanceTimersByTimeAsync(ms)

describe('what the customer sees of us', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is that a message was read, once', async () => {
    const { presence, message, calls } = await play()
    presence.read(message('wamid.1'))
    await settle()
    presence.read(message('wamid.1'))
    await settle(10_000)
    expect(calls).toEqual(['wamid.1'])
  })
  it('is told at most once in a few seconds, the last wish at the end of them', async () => {
    const { presence, message, calls } = await play()
    for (const nth of [1, 2, 3, 4]) presence.read(message(`wamid.${nth}`))
    await settle(100)
    expect(calls).toEqual(['wamid.1'])
    await settle(3_000)
    expect(calls).toEqual(['wamid.1', 'wamid.4'])
  })
  it('is that somebody is writing, again and again', async () => {
    const { presence, message, calls } = await play()
    presence.typing(message('wamid.1'))
    await settle(5_000)
    presence.typing(message('wamid.1'))
    await settle()
    expect(calls).toEqual(['wamid.1 typing', 'wamid.1 typing'])
  })
  it('is nothing where the organisation keeps it to itself', async () => {
    const { presence, message, calls } = await play({ send_read_receipts: false })
    presence.read(message('wamid.1'))
    presence.typing(message('wamid.2'))
    await settle(10_000)
    expect(calls).toEqual([])
  })
  it('finds out that the token is refused, and the channel shows it', async () => {
    const { presence, message, answer, stateOf } = await play()
    answer.with = { error: { code: 190, status: 401, message: 'expired' } }
    presence.read(message('wamid.1'))
    await settle()
    expect(await stateOf()).toMatchObject({ status: 'degraded', error: { code: 'provider_190' } })
  })
})
