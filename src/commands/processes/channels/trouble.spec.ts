import { describe, expect, it } from 'vitest'
import { channel } from '../../../domain/channel/channel.ts'
import { initial, type Channel } from '../../../domain/channel/state.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import type { Commands } from '../../kernel/execute.ts'
import { createChannelTrouble } from './trouble.ts'

const here = { tenantId: 'tenant', channelId: 'sales' }
const connected: Channel = { ...initial, status: 'connected', verified: true }

/** A channel in memory: what is raised, and what is recorded of it. */
function play() {
  let state = connected
  const seen: string[] = []
  const commands = {
    load: async () => ({ state }),
    async execute(_: unknown, _id: string, command: Parameters<typeof channel.decide>[0]) {
      const decision = channel.decide(command, state)
      if (!('events' in decision)) throw new Error('refused')
      for (const event of decision.events) {
        state = channel.evolve(state, event)
        seen.push(event.type)
      }
    },
  } as unknown as Commands
  const trouble = createChannelTrouble({
    commands,
    raiseAlert: async ({ key }) => {
      seen.push(`raise ${key}`)
      return { alertId: key, position: positionOf(1) }
    },
    settleAlert: async ({ key }) => void seen.push(`settle ${key}`),
    clock: () => new Date(0),
    log: { warn: (...said: unknown[]) => void seen.push(JSON.stringify(said)) },
  })
  return { trouble, seen, state: () => state }
}
const error = (code: number) => ({ code: `provider_${code}`, title: 'No', detail: 'Mend it.', retryable: false })

describe('the trouble of a channel', () => {
  it('of its account is an alert, and on record, so that a good test is heard of; the channel stays connected', async () => {
    const { trouble, seen, state } = play()
    trouble.heard(here, error(131042))
    await expect.poll(() => seen.toSorted()).toEqual(['ChannelCheckFailed', 'raise channel_blocked:sales'])
    expect(state()).toMatchObject({ status: 'connected', error: { code: 'provider_131042' } })
    expect(channel.decide({ type: 'recordCheck', facts: {} }, state())).toMatchObject({
      events: [{ type: 'ChannelConnected' }],
    })
  })

  it('is off the record when messages go out again', async () => {
    const { trouble, seen, state } = play()
    trouble.heard(here, error(131042))
    await expect.poll(() => seen).toHaveLength(2)
    trouble.well(here)
    await expect.poll(() => seen.slice(2)).toEqual(['settle rate_limited:sales', 'settle channel_blocked:sales', 'ChannelConnected'])
    expect(state().error).toBeUndefined()
    trouble.well(here)
    await expect.poll(() => seen.slice(5)).toEqual(['settle rate_limited:sales', 'settle channel_blocked:sales'])
  })

  it.each([131030, 137000, 130472, 132015, 130497])('does not come from %i, which is about one message', async (code) => {
    const { trouble, seen } = play()
    trouble.heard(here, error(code))
    await Promise.resolve()
    expect(seen).toEqual([])
  })
})
