import { describe, expect, it } from 'vitest'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import { claim } from '../../domain/claim/claim.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { createCommands } from './execute.ts'

const noVault = {} as Vault
const context = (commandId: string): CommandContext => ({
  tenantId: platformTenant,
  actor: { kind: 'process', id: 'spec' },
  commandId,
  correlationId: commandId,
  causationId: commandId,
  at: new Date('2026-01-01T12:00:00Z'),
})
const take = (holderId: string) => ({ type: 'claim', kind: 'number', tenantId: 'ana', holderId, at: new Date('2026-01-01T12:00:00Z') }) as never
const release = (holderId: string) => ({ type: 'release', tenantId: 'ana', holderId }) as never

describe('two processes on one log', () => {
  it('do not refuse on what they remember: who was refused once sees that the claim is free again', async () => {
    const store = createMemoryEventStore()
    const one = createCommands({ store, vault: noVault })
    const two = createCommands({ store, vault: noVault })
    await one.execute(claim, 'number-1', take('first'), context('a'))
    expect(await two.execute(claim, 'number-1', take('second'), context('b'))).toHaveProperty('refused')
    await one.execute(claim, 'number-1', release('first'), context('c'))
    expect(await two.execute(claim, 'number-1', take('second'), context('d'))).not.toHaveProperty('refused')
  })
  it('read after a conflict only what is new', async () => {
    const store = createMemoryEventStore()
    const from: (number | undefined)[] = []
    const watched = { ...store, readStream: (...args: Parameters<typeof store.readStream>) => (from.push(args[1]?.after), store.readStream(...args)) }
    const one = createCommands({ store, vault: noVault })
    const two = createCommands({ store: watched, vault: noVault })
    await two.execute(claim, 'number-5', take('first'), context('a'))
    await one.execute(claim, 'number-5', release('first'), context('b'))
    await one.execute(claim, 'number-5', take('second'), context('c'))
    expect(await two.execute(claim, 'number-5', release('first'), context('d'))).not.toHaveProperty('events.0')
    expect(from).toEqual([0, 1])
    expect((await two.load(claim, platformTenant, 'number-5')).version).toBe(3)
  })
  it('decide a conflict anew', async () => {
    const store = createMemoryEventStore()
    const all = Array.from({ length: 5 }, () => createCommands({ store, vault: noVault }))
    const outcomes = await Promise.all(all.map((commands, n) => commands.execute(claim, 'number-2', take(`holder-${n}`), context(`take-${n}`))))
    expect(outcomes.filter((outcome) => !('refused' in outcome))).toHaveLength(1)
  })
})

describe('the same command again', () => {
  it('is the same events, wherever it is repeated', async () => {
    const store = createMemoryEventStore()
    const first = await createCommands({ store, vault: noVault }).execute(claim, 'number-3', take('first'), context('same'))
    const again = await createCommands({ store, vault: noVault }).execute(claim, 'number-3', take('first'), context('same'))
    expect(again).toMatchObject({ version: 'version' in first ? first.version : 0 })
  })
})

describe('If-Match', () => {
  it('is held against the log and not against memory', async () => {
    const store = createMemoryEventStore()
    const one = createCommands({ store, vault: noVault })
    const two = createCommands({ store, vault: noVault })
    await one.execute(claim, 'number-4', take('first'), context('a'))
    await two.load(claim, platformTenant, 'number-4')
    await one.execute(claim, 'number-4', release('first'), context('b'))
    expect(await two.execute(claim, 'number-4', take('second'), context('c'), { ifVersion: [7, 2] })).toMatchObject({ version: 3 })
    expect(await one.execute(claim, 'number-4', release('second'), context('d'), { ifVersion: [2] })).toEqual({ stale: { version: 3 } })
  })
})
