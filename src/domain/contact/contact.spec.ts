import { describe, expect, it } from 'vitest'
import { contact, type ContactCommand, type Identity } from './contact.ts'
import { currentOf } from './identities.ts'
import type { Contact } from './state.ts'

const phone: Identity = { kind: 'wa_id', value: '15550002222', index: 'i-phone' }
const newPhone: Identity = { kind: 'wa_id', value: '15550003333', index: 'i-new-phone' }
const user: Identity = { kind: 'bsuid', value: 'US.1349', index: 'i-user' }
const newUser: Identity = { kind: 'bsuid', value: 'US.2083', index: 'i-new-user' }
const day = (n: number) => `2026-10-0${n}T08:00:00.000Z`
const ana = { text: 'Ana', index: 'n-ana', at: day(1) }
const anaBlue = { text: 'Ana Blue', index: 'n-ana-blue', at: day(2) }

function when(state: Contact, ...commands: ContactCommand[]) {
  const all = []
  for (const command of commands) {
    const decision = contact.decide(command, state)
    if ('refused' in decision) throw new Error(`refused: ${decision.refused}`)
    state = decision.events.reduce(contact.evolve, state)
    all.push(...decision.events)
  }
  return { state, types: all.map(({ type }) => type) }
}
const meet = (identities: Identity[], more: Partial<Extract<ContactCommand, { type: 'meet' }>> = {}): ContactCommand => ({
  type: 'meet',
  identities,
  source: 'inbound',
  ...more,
})
const current = (state: Contact, kind: 'wa_id' | 'bsuid') => currentOf(state.identities, kind)?.index

describe('meeting a contact', () => {
  it('creates it with all its identities', () => {
    expect(when(contact.initial, meet([phone, user], { name: ana })).types).toEqual([
      'ContactCreated',
      'ContactIdentityAdded',
      'ContactIdentityAdded',
    ])
  })
  it('again changes nothing', () => {
    const again = meet([phone], { name: ana })
    expect(when(contact.initial, again, again).types).toEqual(['ContactCreated', 'ContactIdentityAdded'])
  })
  it('learns a further identity and a new name', () => {
    const { types } = when(contact.initial, meet([phone], { name: ana }), meet([phone, user], { name: anaBlue }))
    expect(types.slice(2)).toEqual(['ContactRenamed', 'ContactIdentityAdded'])
  })
  it('without a name keeps the one it has', () => {
    expect(when(contact.initial, meet([phone], { name: ana }), meet([phone])).state.nameIndex).toBe('n-ana')
  })
  it('does not go back to a name from before, when an old delivery comes again', () => {
    const { state, types } = when(contact.initial, meet([phone], { name: anaBlue }), meet([phone], { name: ana }))
    expect(state.nameIndex).toBe('n-ana-blue')
    expect(types).not.toContain('ContactRenamed')
  })
  it('takes a name back up that it had before', () => {
    const back = { ...ana, at: day(3) }
    expect(when(contact.initial, ...[ana, anaBlue, back].map((name) => meet([phone], { name }))).state.nameIndex).toBe('n-ana')
  })
  it('ends with the same name of two of one second, whichever came first', () => {
    const two = [ana, { ...anaBlue, at: ana.at }].map((name) => meet([phone], { name }))
    expect(when(contact.initial, ...two).state.nameIndex).toBe(when(contact.initial, ...two.toReversed()).state.nameIndex)
  })
  it('shows the user name, which is no identity', () => {
    const { state, types } = when(contact.initial, meet([phone], { username: { text: 'ana.example', index: 'u-ana', at: day(1) } }))
    expect(types).toContain('ContactUsernameChanged')
    expect(state.identities).toHaveLength(1)
  })
})

describe('a number that is written in two ways', () => {
  const short: Identity = { kind: 'wa_id', value: '556181234567', index: 'i-br', spelling: 's-short' }
  const long: Identity = { kind: 'wa_id', value: '5561981234567', index: 'i-br' }
  it('is written as the provider wrote it last', () => {
    const { state } = when(contact.initial, meet([short], { saidAt: day(1) }), meet([long], { saidAt: day(2) }), meet([short], { saidAt: day(3) }))
    expect(currentOf(state.identities, 'wa_id')).toMatchObject({ index: 'i-br', spelling: 's-short' })
    expect(state.identities).toHaveLength(1)
  })
  it('is not changed by an old delivery, nor by how a caller writes it', () => {
    const { types } = when(contact.initial, meet([long], { saidAt: day(2) }), meet([short], { saidAt: day(1) }), meet([short]))
    expect(types).toEqual(['ContactCreated', 'ContactIdentityAdded'])
  })
})

describe('a person who gets another number', () => {
  const met = meet([phone, user], { saidAt: day(1) })
  const changed: ContactCommand = { type: 'replace', former: [phone], now: [newPhone, newUser], at: day(2) }
  it('is written to at the new one and keeps the old one as a former', () => {
    const { state, types } = when(contact.initial, met, changed)
    expect(types.slice(3)).toEqual(['ContactIdentityReplaced', 'ContactIdentityReplaced'])
    expect([current(state, 'wa_id'), current(state, 'bsuid')]).toEqual(['i-new-phone', 'i-new-user'])
    expect(state.identities.map(({ index }) => index)).toEqual(['i-phone', 'i-user', 'i-new-phone', 'i-new-user'])
  })
  it('is told so once, however often the news comes', () => {
    expect(when(contact.initial, met, changed, changed, changed).types).toHaveLength(5)
  })
  it('is not sent back by a late message from the old one', () => {
    expect(current(when(contact.initial, met, changed, met).state, 'wa_id')).toBe('i-new-phone')
  })
  it('may go back to the old one, and late news of the first change does not undo that', () => {
    const back: ContactCommand = { type: 'replace', former: [newPhone], now: [phone], at: day(3) }
    expect(current(when(contact.initial, met, changed, back).state, 'wa_id')).toBe('i-phone')
    expect(current(when(contact.initial, met, changed, back, changed).state, 'wa_id')).toBe('i-phone')
  })
  it('has the new one also where that is met before the news of it comes', () => {
    const { state } = when(contact.initial, meet([phone, newPhone], { saidAt: day(2) }), { ...changed, at: day(2) })
    expect(current(state, 'wa_id')).toBe('i-new-phone')
  })
})

describe('consent', () => {
  const said = (granted: boolean, at: string): ContactCommand => ({ type: 'changeConsent', purpose: 'marketing', granted, source: 'whatsapp', at })
  const consent = (...commands: ContactCommand[]) => when(contact.initial, meet([phone]), ...commands).state.consents['marketing']
  it('is what was said last, in whatever order it came', () => {
    const all = [said(false, day(1)), said(true, day(2)), said(false, day(3))]
    expect(consent(...all)).toEqual({ granted: false, at: day(3) })
    expect(consent(...all.toReversed())).toEqual({ granted: false, at: day(3) })
  })
  it('said twice at one moment is a no', () => {
    expect(consent(said(true, day(1)), said(false, day(1)))?.granted).toBe(false)
    expect(consent(said(false, day(1)), said(true, day(1)))?.granted).toBe(false)
  })
  it('of a purpose that is called like a part of every object is nothing special', () => {
    const odd: ContactCommand = { type: 'changeConsent', purpose: 'constructor', granted: false, source: 'whatsapp', at: day(1) }
    expect(when(contact.initial, meet([phone]), odd, odd).types).toEqual(['ContactCreated', 'ContactIdentityAdded', 'ContactConsentChanged'])
  })
})

describe('the address book of the phone', () => {
  it('says last what counts, in whatever order it came', () => {
    const listed = (at: string): ContactCommand => ({ type: 'list', name: { text: 'Ana Taller', index: 'n-book' }, at })
    const all: ContactCommand[] = [listed(day(1)), { type: 'unlist', at: day(2) }, listed(day(3)), { type: 'unlist', at: day(4) }]
    for (const order of [all, all.toReversed(), [all[1], all[3], all[0], all[2]] as ContactCommand[]]) {
      expect(when(contact.initial, meet([phone]), ...order).state.listing).toMatchObject({ listed: false, at: day(4) })
    }
  })
})

describe('meeting someone under a further identity', () => {
  it('is refused in the stream that only points home', () => {
    const { state } = when(contact.initial, { type: 'alias', contactId: 'a' })
    expect(contact.decide(meet([phone]), state)).toEqual({ refused: 'lives_elsewhere' })
  })
})

describe('pointing an identity at its contact', () => {
  it('is decided once', () => {
    expect(when(contact.initial, { type: 'alias', contactId: 'a' }, { type: 'alias', contactId: 'b' }).state.home).toBe('a')
  })
  it('does not turn a contact into a pointer', () => {
    expect(when(contact.initial, meet([phone]), { type: 'alias', contactId: 'b' }).state.home).toBeUndefined()
  })
})
