import { describe, expect, it } from 'vitest'
import { channel, type AddChannel, type ChannelCommand } from './channel.ts'

const facts = { displayPhone: '+1 555 010 0000', qualityRating: 'GREEN' }
const sales: AddChannel = {
  type: 'add',
  name: 'Sales',
  phoneNumberId: '1050',
  wabaId: '2060',
  accessToken: 'EAAG-1',
  connection: { verified: true, facts },
}
const expired: ChannelCommand = { type: 'recordFailedCheck', error: { code: 'token_expired', title: 'The access token expired' }, credentials: true }

function after(...commands: ChannelCommand[]) {
  let state = channel.initial
  let decision: ReturnType<typeof channel.decide> = { events: [] }
  for (const command of commands) {
    decision = channel.decide(command, state)
    if ('events' in decision) state = decision.events.reduce(channel.evolve, state)
  }
  return { state, ...decision }
}
const types = (result: ReturnType<typeof after>) => ('events' in result ? result.events.map(({ type }) => type) : [])

describe('a channel', () => {
  it('is connected from the moment it is added', () => {
    expect(types(after(sales))).toEqual(['ChannelAdded', 'ChannelConnected'])
    expect(after(sales).state).toMatchObject({ status: 'connected', facts })
  })
  it('is added once', () => {
    expect(types(after(sales, sales))).toEqual([])
  })
  it('hands its credentials on to be sealed, and keeps none of them in its state', () => {
    expect(after(sales)).toMatchObject({ events: [{ accessToken: { plain: 'EAAG-1' } }, {}] })
    expect(JSON.stringify(after(sales).state)).not.toContain('EAAG-1')
  })
  it('says nothing when a check finds what is known', () => {
    expect(types(after(sales, { type: 'recordCheck', facts: { qualityRating: 'GREEN', displayPhone: '+1 555 010 0000' } }))).toEqual([])
  })
  it('notes what a check finds changed', () => {
    expect(after(sales, { type: 'recordCheck', facts: { ...facts, qualityRating: 'RED' } }).state.facts.qualityRating).toBe('RED')
  })
  it('is degraded by a failed check, once per reason, and whole again after a good one', () => {
    expect(after(sales, expired).state.status).toBe('degraded')
    expect(types(after(sales, expired, expired))).toEqual([])
    expect(after(sales, expired, { type: 'recordCheck', facts }).state).toMatchObject({ status: 'connected' })
    expect(after(sales, expired, { type: 'recordCheck', facts }).state.error).toBeUndefined()
  })
  it('stays disconnected until somebody connects it', () => {
    const off: ChannelCommand = { type: 'disconnect' }
    expect(after(sales, off, { type: 'recordCheck', facts }).state.status).toBe('disconnected')
    expect(after(sales, off, expired).state.status).toBe('disconnected')
    expect(types(after(sales, off, { type: 'change', accessToken: 'EAAG-2', connection: { verified: true, facts } }))).toEqual([
      'ChannelCredentialsChanged',
    ])
    expect(after(sales, off, { type: 'connect', verified: true, facts }).state.status).toBe('connected')
  })
  it('knows what the provider told of its number last, in whatever order it came', () => {
    const tell = (minute: number, qualityRating: string): ChannelCommand => ({
      type: 'tell',
      facts: { qualityRating },
      reason: 'phone_number_quality_update',
      at: new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString(),
    })
    const [flagged, unflagged, again] = [tell(1, 'RED'), tell(2, 'UNKNOWN'), tell(3, 'RED')]
    expect(after(sales, flagged, unflagged).state.facts).toEqual({ ...facts, qualityRating: 'UNKNOWN' })
    expect(after(sales, unflagged, flagged).state.facts.qualityRating).toBe('UNKNOWN')
    expect(after(sales, flagged, again, unflagged).state.facts.qualityRating).toBe('RED')
    expect(types(after(sales, flagged, flagged))).toEqual([])
  })
  it('keeps what a check does not speak of', () => {
    expect(after(sales, { type: 'recordCheck', facts: { qualityRating: 'RED' } }).state.facts).toEqual({ ...facts, qualityRating: 'RED' })
  })
  it('forgets what went wrong with a good check, though nothing else is new', () => {
    const odd: ChannelCommand = { type: 'recordFailedCheck', error: { code: 'webhook_unverified', title: 'No' }, credentials: false }
    expect(after(sales, odd).state).toMatchObject({ status: 'connected', error: { code: 'webhook_unverified' } })
    expect(after(sales, odd, { type: 'recordCheck', facts }).state.error).toBeUndefined()
  })
  it('is whole again with new credentials', () => {
    const fresh: ChannelCommand = { type: 'change', accessToken: 'EAAG-2', connection: { verified: true, facts } }
    expect(types(after(sales, expired, fresh))).toEqual(['ChannelCredentialsChanged', 'ChannelConnected'])
  })
  it('keeps its connection when only its name or app secret changes', () => {
    expect(types(after(sales, { type: 'change', name: 'Ventas', appSecret: 's3cret' }))).toEqual(['ChannelRenamed', 'ChannelCredentialsChanged'])
    expect(types(after(sales, { type: 'change', name: 'Sales' }))).toEqual([])
  })
  it('is not degraded by a provider that was merely away', () => {
    const away: ChannelCommand = { type: 'recordFailedCheck', error: { code: 'provider_unreachable', title: 'Away' }, credentials: false }
    expect(after(sales, away).state.status).toBe('connected')
  })
  it('once removed refuses changes but not its removal', () => {
    expect(after(sales, { type: 'remove' }, { type: 'change', name: 'x' })).toMatchObject({ refused: 'channel_removed' })
    expect(types(after(sales, { type: 'remove' }, { type: 'remove' }))).toEqual([])
  })
  it('that was never added is not there', () => {
    expect(after({ type: 'remove' })).toMatchObject({ refused: 'not_found' })
  })
})

describe('abandoning a half-made channel', () => {
  it('keeps its maker from finishing', () => {
    expect(after({ type: 'abandon' }, sales)).toMatchObject({ refused: 'channel_removed' })
  })
  it('is refused for one in use, and already true for one that was removed', () => {
    expect(after(sales, { type: 'abandon' })).toMatchObject({ refused: 'in_use' })
    expect(types(after(sales, { type: 'remove' }, { type: 'abandon' }))).toEqual([])
  })
})
