import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { ChannelEvent } from '../../domain/channel/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { channels, type ChannelRow } from './projection.ts'

const stream = streamRef('channel', '0197c0de-0000-7000-8000-000000000001', 'channel-1')
const added: ChannelEvent = {
  type: 'ChannelAdded',
  kind: 'business',
  name: 'Ventas',
  phoneNumberId: '1001',
  wabaId: '2002',
  accessToken: { sealed: 'dG9rZW4=' },
}
const connected: ChannelEvent = {
  type: 'ChannelConnected',
  verified: true,
  facts: { displayPhone: '+1 555 000 1111', verifiedName: 'Casa', qualityRating: 'GREEN' },
}
const checkFailed = (credentials: boolean): ChannelEvent => ({
  type: 'ChannelCheckFailed',
  error: { code: 'token_expired', title: 'The token expired' },
  credentials,
})
const after = (...events: ChannelEvent[]): ChannelRow[] =>
  rowsAfter(
    channels,
    events.map((event) => [stream, event]),
  )

describe('the channels', () => {
  it('show a new number as pending, and nothing of its credentials', () => {
    const rows = after(added)
    expect(rows).toMatchObject([{ id: 'channel-1', name: 'Ventas', status: 'pending', phoneNumberId: '1001', wabaId: '2002', phone: null }])
    expect(JSON.stringify(rows)).not.toContain('dG9rZW4=')
  })
  it('are connected with what the provider says of the number, and remember what it said before', () => {
    expect(after(added, connected)).toMatchObject([{ status: 'connected', phone: '+1 555 000 1111', verifiedName: 'Casa', lastError: null }])
    expect(after(added, connected, { ...connected, facts: { qualityRating: 'RED' } })).toMatchObject([
      { phone: '+1 555 000 1111', qualityRating: 'RED' },
    ])
  })
  it('are degraded by refused credentials and well again after a good check', () => {
    expect(after(added, connected, checkFailed(true))).toMatchObject([{ status: 'degraded' }])
    expect(after(added, connected, checkFailed(true), connected)).toMatchObject([{ status: 'connected', lastError: null }])
  })
  it('stay as they are when the provider could not be asked, and say so', () => {
    const [row] = after(added, connected, checkFailed(false))
    expect(row?.status).toBe('connected')
    expect(JSON.parse(row?.lastError ?? 'null')).toEqual({ code: 'token_expired', title: 'The token expired', at: '2026-01-01T12:00:03.000Z' })
  })
  it('stay disconnected when they are off on purpose', () => {
    expect(after(added, connected, { type: 'ChannelDisconnected' }, checkFailed(true))).toMatchObject([{ status: 'disconnected' }])
  })
  it('follow what the provider tells without being asked', () => {
    const told: ChannelEvent = {
      type: 'ChannelNumberChanged',
      facts: { qualityRating: 'RED', numberStatus: 'FLAGGED' },
      reason: 'phone_number_quality_update',
      at: '2026-01-01T12:00:00.000Z',
    }
    const named: ChannelEvent = { ...told, facts: { newNameStatus: 'REJECTED' } }
    const [row] = after(added, connected, told, named)
    expect(row).toMatchObject({ qualityRating: 'RED', verifiedName: 'Casa', status: 'connected' })
    expect(JSON.parse(row?.number ?? '')).toEqual({ numberStatus: 'FLAGGED', newNameStatus: 'REJECTED' })
  })
  it('are gone when they were removed', () => {
    expect(after(added, { type: 'ChannelRenamed', name: 'Soporte' }, { type: 'ChannelRemoved' })).toEqual([])
  })
})
