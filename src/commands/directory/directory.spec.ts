import { describe, expect, it } from 'vitest'
import { glassVault } from '../../../tests/support/glass-vault.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import { channel, type ChannelCommand } from '../../domain/channel/channel.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import { tenant, type TenantCommand } from '../../domain/tenant/tenant.ts'
import { createCommands } from '../kernel/execute.ts'
import { createDirectory } from './directory.ts'

const tenantOf = (name: string): string => derivedId('tenant', name)
const ana = tenantOf('ana')
const bea = tenantOf('bea')

function town(vault: Vault = glassVault) {
  const store = createMemoryEventStore()
  const commands = createCommands({ store, vault: glassVault })
  let now = new Date('2026-01-01T12:00:00Z')
  let made = 0
  const context = (tenantId: string): CommandContext => {
    const commandId = derivedId('test', String(++made))
    return { tenantId, actor: { kind: 'process', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: now }
  }
  const failures: unknown[] = []
  return {
    store,
    failures,
    later: (hours: number) => {
      now = new Date(Date.now() + hours * 3_600_000)
    },
    directory: () => createDirectory({ store, vault, clock: () => now, onFailed: (error) => failures.push(error) }),
    async tenant(tenantId: string, ...wishes: TenantCommand[]) {
      let position = positionOf(0)
      for (const wish of wishes) {
        const outcome = await commands.execute(tenant, tenantId, wish, context(tenantId))
        if (!('position' in outcome)) throw new Error('refused')
        position = outcome.position
      }
      return position
    },
    async channel(tenantId: string, id: string, ...wishes: ChannelCommand[]) {
      let position = positionOf(0)
      for (const wish of wishes) {
        const outcome = await commands.execute(channel, id, wish, context(tenantId))
        if (!('position' in outcome)) throw new Error('refused')
        position = outcome.position
      }
      return position
    },
  }
}
const create = (slug: string): TenantCommand => ({ type: 'create', name: slug, slug, plan: 'free', locale: 'en' })
const issue = (keyId: string, hash: string): TenantCommand => ({ type: 'issueKey', keyId, name: 'k', hash, hint: '…', scopes: ['*'] })
const add = (phoneNumberId: string, more: object = {}): ChannelCommand => ({
  type: 'add',
  name: 'Sales',
  phoneNumberId,
  wabaId: 'w1',
  accessToken: `token of ${phoneNumberId}`,
  connection: { verified: false, facts: {} },
  ...more,
})

describe('the directory', () => {
  it('knows at its start what the log holds, and later what comes', async () => {
    const world = town()
    await world.tenant(ana, create('ana'), issue('k1', 'hash-1'))
    const directory = world.directory()
    await directory.ready()
    expect(directory.keyOf('hash-1')).toMatchObject({ tenantId: ana, keyId: 'k1' })
    await directory.waitFor(await world.tenant(ana, issue('k2', 'hash-2'), { type: 'suspend' }, { type: 'revokeKey', keyId: 'k1' }))
    expect(directory.keyOf('hash-1')).toBeUndefined()
    expect(directory.keyOf('hash-2')).toMatchObject({ keyId: 'k2' })
    expect(directory.tenantOfSlug('ana')).toMatchObject({ tenantId: ana, status: 'suspended' })
    await directory.close()
    expect(world.failures).toEqual([])
  })

  it('waits out a keyring that is away, and does not wait for keys that are broken', async () => {
    let asked = 0
    const ensure = (tenantId: string) => {
      if (tenantId === bea) return Promise.reject(new SealBroken('broken'))
      return ++asked < 3 ? Promise.reject(new Error('the database is away')) : Promise.resolve()
    }
    const world = town({ ...glassVault, ensure })
    await world.channel(ana, 'c1', add('1', { appSecret: 'own' }))
    const position = await world.channel(bea, 'c2', add('2', { appSecret: 'own' }))
    const directory = world.directory()
    await directory.waitFor(position)
    expect(directory.channelOf(ana, 'c1')?.hook).toBeDefined()
    expect(directory.channelOf(bea, 'c2')).toMatchObject({ hook: undefined })
    expect(world.failures).toEqual([])
    await directory.close()
  })

  it('does not let one tenant revoke the key of another', async () => {
    const world = town()
    await world.tenant(ana, create('ana'), issue('k1', 'hash-1'))
    const position = await world.tenant(bea, create('bea'), issue('k1', 'hash-b'), { type: 'revokeKey', keyId: 'k1' })
    const directory = world.directory()
    await directory.waitFor(position)
    expect(directory.keyOf('hash-1')?.tenantId).toBe(ana)
    expect(directory.keyOf('hash-b')).toBeUndefined()
    await directory.close()
  })

  it('finds whose a number and a business account are, until the channel is removed', async () => {
    const world = town()
    const directory = world.directory()
    await directory.waitFor(await world.channel(ana, 'c1', add('1')))
    await directory.waitFor(await world.channel(bea, 'c2', add('2')))
    expect(directory.channelOfNumber('1')).toMatchObject({ tenantId: ana, channelId: 'c1', status: 'connected' })
    expect(directory.tenantsOfWaba('w1')).toEqual([ana, bea])
    expect(directory.channelOf(bea, 'c1')).toBeUndefined()
    expect(await directory.accountOf(bea, 'c1')).toBeUndefined()
    // The number moves on before its first holder's end is read again: the new holder keeps it.
    await world.channel(ana, 'c1', { type: 'remove' })
    await directory.waitFor(await world.channel(bea, 'c3', add('1')))
    expect(directory.channelOfNumber('1')).toMatchObject({ tenantId: bea, channelId: 'c3' })
    expect(directory.tenantsOfWaba('w1')).toEqual([bea])
    expect(directory.channelsOf(ana)).toEqual([])
    await directory.close()
  })

  it('opens credentials under the event they came in, and forgets them when they change', async () => {
    const world = town()
    const directory = world.directory()
    await directory.waitFor(await world.channel(ana, 'c1', add('1')))
    expect(await directory.accountOf(ana, 'c1')).toEqual({ phoneNumberId: '1', wabaId: 'w1', accessToken: 'token of 1' })
    await directory.waitFor(await world.channel(ana, 'c1', { type: 'change', accessToken: 'fresh' }))
    expect((await directory.accountOf(ana, 'c1'))?.accessToken).toBe('fresh')
    await directory.close()
  })

  it('accepts a replaced app secret for a day, and no longer', async () => {
    const world = town()
    const directory = world.directory()
    await directory.waitFor(await world.channel(ana, 'c1', add('1', { appSecret: 'old' }), { type: 'change', appSecret: 'new' }))
    const hook = directory.channelOf(ana, 'c1')?.hook ?? ''
    expect((await directory.appOfHook(hook))?.secrets).toEqual(['new', 'old'])
    world.later(25)
    expect((await directory.appOfHook(hook))?.secrets).toEqual(['new'])
    await directory.close()
  })

  it('is not impressed by a tenant or channel that was fenced off before it came to be', async () => {
    const world = town()
    await world.tenant(ana, { type: 'abandon' })
    const directory = world.directory()
    await directory.waitFor(await world.channel(ana, 'c1', { type: 'abandon' }))
    expect(directory.tenantOf(ana)).toBeUndefined()
    expect(directory.channelOf(ana, 'c1')).toBeUndefined()
    await directory.close()
  })

  it('lets nobody wait for ever once it is closed', async () => {
    const world = town()
    const directory = world.directory()
    await directory.ready()
    const waiting = expect(directory.waitFor(positionOf(99))).rejects.toThrow()
    await directory.close()
    await waiting
    await expect(directory.waitFor(positionOf(99))).rejects.toThrow('no longer follows')
    expect(world.failures).toEqual([])
  })
})
