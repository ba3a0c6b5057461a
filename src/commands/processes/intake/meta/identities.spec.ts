import { describe, expect, it } from 'vitest'
import { cardsOf, personOf } from './people.ts'
import { translate } from './translate.ts'

const receivedAt = new Date('2026-10-09T08:00:00Z')
const items = (field: string, value: object) =>
  translate(
    { entry: [{ id: 'waba', changes: [{ field, value: { messaging_product: 'whatsapp', metadata: { phone_number_id: '100' }, ...value } }] }] },
    receivedAt,
  )
const contacts = [{ profile: { name: 'Ana', username: '@ana.example' }, wa_id: '15550002222', user_id: 'US.2', parent_user_id: 'US.ENT.1' }]

describe('user_id_update', () => {
  const update = {
    wa_id: '15550002222',
    detail: 'The user id changed',
    user_id: { previous: 'US.1', current: 'US.2' },
    parent_user_id: { previous: 'US.ENT.0', current: 'US.ENT.1' },
    timestamp: '1760000001',
  }
  it('says who goes by which ids now, and since when', () => {
    expect(items('user_id_update', { user_id_update: [update] })).toEqual([
      {
        kind: 'contact',
        path: 'entry[0].changes[0].value.user_id_update[0]',
        phoneNumberId: '100',
        person: { waId: '15550002222', bsuid: 'US.1', parentBsuid: 'US.ENT.0' },
        news: { kind: 'identity_replaced', now: { bsuid: 'US.2', parentBsuid: 'US.ENT.1' } },
        at: '2025-10-09T08:53:21.000Z',
      },
    ])
  })
  it('does without number and parent', () => {
    const { wa_id: _hidden, parent_user_id: _none, ...bare } = update
    expect(items('user_id_update', { user_id_update: [bare] })).toMatchObject([{ person: { bsuid: 'US.1' }, news: { now: { bsuid: 'US.2' } } }])
  })
  it('without the new id is put aside', () => {
    expect(items('user_id_update', { user_id_update: [{ ...update, user_id: { previous: 'US.1' } }] })).toMatchObject([{ kind: 'unreadable' }])
  })
})

describe('user_preferences', () => {
  const stop = { user_id: 'US.2', detail: 'User requested to stop', category: 'marketing_messages', value: 'stop', timestamp: 1_760_000_001 }
  it('says what somebody wants to be sent', () => {
    expect(items('user_preferences', { contacts, user_preferences: [stop, { ...stop, value: 'resume' }] })).toMatchObject([
      { person: { bsuid: 'US.2', name: 'Ana' }, news: { kind: 'consent', purpose: 'marketing', granted: false }, at: '2025-10-09T08:53:21.000Z' },
      { news: { kind: 'consent', purpose: 'marketing', granted: true } },
    ])
  })
  it('that is neither yes nor no is put aside, and its neighbours are not', () => {
    const kinds = items('user_preferences', { user_preferences: [{ ...stop, value: 'later' }, stop, 'odd', { ...stop, user_id: undefined }] }).map(
      ({ kind }) => kind,
    )
    expect(kinds).toEqual(['unreadable', 'contact', 'unreadable', 'unreadable'])
  })
})

describe('a person', () => {
  const cards = cardsOf(contacts)
  it('is known by all that their card says', () => {
    const all = { waId: '15550002222', bsuid: 'US.2', parentBsuid: 'US.ENT.1', name: 'Ana', username: 'ana.example' }
    expect(personOf({ waId: '15550002222', userId: undefined }, cards)).toEqual(all)
    expect(personOf({ waId: undefined, userId: 'US.2' }, cards)).toEqual(all)
  })
  it('has nothing of the card of somebody else who has their number', () => {
    expect(personOf({ waId: '15550002222', userId: 'US.9' }, cards)).toEqual({ waId: '15550002222', bsuid: 'US.9' })
  })
})
