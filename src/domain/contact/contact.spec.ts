import { describe, expect, it } from 'vitest'
import { contact, type ContactCommand, type Identity } from './contact.ts'
import type { Contact } from './state.ts'

const phone: Identity = { kind: 'wa_id', value: '15550002222', index: 'i-phone' }
const user: Identity = { kind: 'bsuid', value: 'US.1349', index: 'i-user' }
const ana = { text: 'Ana', index: 'n-ana' }

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
const meet = (identities: Identity[], name?: typeof ana): ContactCommand => ({ type: 'meet', identities, source: 'inbound', ...(name && { name }) })

describe('meeting a contact', () => {
  it('creates it with all its identities', () => {
    expect(when(contact.initial, meet([phone, user], ana)).types).toEqual(['ContactCreated', 'ContactIdentityAdded', 'ContactIdentityAdded'])
  })
  it('again changes nothing', () => {
    expect(when(contact.initial, meet([phone], ana), meet([phone], ana)).types).toEqual(['ContactCreated', 'ContactIdentityAdded'])
  })
  it('learns a further identity and a new name', () => {
    expect(when(contact.initial, meet([phone], ana), meet([phone, user], { text: 'Ana B', index: 'n-anab' })).types.slice(2)).toEqual([
      'ContactRenamed',
      'ContactIdentityAdded',
    ])
  })
  it('without a name keeps the one it has', () => {
    expect(when(contact.initial, meet([phone], ana), meet([phone])).state.nameIndex).toBe('n-ana')
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
