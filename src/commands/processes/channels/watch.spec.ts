import { describe, expect, it } from 'vitest'
import { recordedLog } from '../../../../tests/support/recorded.ts'
import type { ChannelEvent } from '../../../domain/channel/events.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { alertFor } from './watch.ts'

const stream = streamRef('channel', '0197c0de-0000-7000-8000-000000000001', 'channel-1')
const error = { code: 'credentials_refused', title: 'The access token has expired', detail: 'Create a new one.' }

async function alertsAfter(...events: ChannelEvent[]): Promise<string[]> {
  const open = new Map<string, string>()
  for (const recorded of recordedLog(events.map((event) => [stream, event]))) {
    await alertFor(recorded, {
      raiseAlert({ key, code, severity, entity }, { tenantId }) {
        expect({ tenantId, entity }).toEqual({ tenantId: stream.tenantId, entity: { type: 'channel', id: 'channel-1' } })
        open.set(key, `${severity} ${code}`)
        return Promise.resolve({ alertId: key, position: positionOf(1) })
      },
      settleAlert({ key }) {
        open.delete(key)
        return Promise.resolve()
      },
    })
  }
  return [...open.values()]
}

describe('the watch over channels', () => {
  it('makes a critical alert of refused credentials, until the channel connects', async () => {
    const failed: ChannelEvent = { type: 'ChannelCheckFailed', error, credentials: true }
    expect(await alertsAfter(failed)).toEqual(['critical channel_credentials'])
    expect(await alertsAfter(failed, { type: 'ChannelConnected', verified: true, facts: {} })).toEqual([])
    expect(await alertsAfter(failed, { type: 'ChannelRemoved' })).toEqual([])
  })
  it('makes a warning of webhooks that Meta cannot deliver', async () => {
    expect(await alertsAfter({ type: 'ChannelCheckFailed', error: { ...error, code: 'webhook_unverified' }, credentials: false })).toEqual([
      'warning channel_webhooks',
    ])
  })
  it('lets an outage of Meta pass', async () => {
    expect(await alertsAfter({ type: 'ChannelCheckFailed', error: { ...error, code: 'provider_2' }, credentials: false })).toEqual([])
  })
})
