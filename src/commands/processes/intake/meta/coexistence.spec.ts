import { describe, expect, it } from 'vitest'
import type { Item } from './items.ts'
import { translate } from './translate.ts'

const receivedAt = new Date('2026-10-09T08:00:00Z')
const business = '15550001111'
const customer = '15550002222'
const metadata = { display_phone_number: business, phone_number_id: '100' }
const items = (field: string, value: object): readonly Item[] =>
  translate({ entry: [{ id: 'waba', changes: [{ field, value: { messaging_product: 'whatsapp', metadata, ...value } }] }] }, receivedAt)
const kinds = (all: readonly Item[]): string[] => all.map(({ kind }) => kind)
const text = (id: string, more: object = {}) => ({ id, timestamp: '1760000001', type: 'text', text: { body: 'Hola' }, ...more })

describe('what is written on the phone', () => {
  const echo = (more: object) => items('smb_message_echoes', { message_echoes: [{ from: business, to: customer, ...more }] })

  it("in a group is not recorded in anybody's conversation, but kept as news", () => {
    expect(echo(text('wamid.E9', { group_id: 'Y2FwaV9ncm91cDoxNTU1' }))).toMatchObject([
      {
        kind: 'news',
        field: 'smb_message_echoes',
        path: 'entry[0].changes[0].value.message_echoes[0]',
        value: { event: 'group_message', type: 'text' },
      },
    ])
  })
  it('is recorded as outbound, with the customer it went to', () => {
    expect(echo(text('wamid.E1', { to_user_id: 'US.9' }))).toMatchObject([
      {
        kind: 'recorded',
        path: 'entry[0].changes[0].value.message_echoes[0]',
        phoneNumberId: '100',
        person: { waId: customer, bsuid: 'US.9' },
        origin: 'phone',
        direction: 'outbound',
        message: { providerId: 'wamid.E1', messageType: 'text', content: '{"text":{"body":"Hola"}}' },
      },
    ])
  })
  it('to somebody whose phone is hidden goes to their user id', () => {
    const value = { message_echoes: [{ from: business, to_user_id: 'US.9', ...text('wamid.E2') }] }
    expect(items('smb_message_echoes', value)).toMatchObject([{ kind: 'recorded', person: { waId: undefined, bsuid: 'US.9' } }])
  })
  it('and taken back or changed there, changes the message by the phone', () => {
    const revoked = { id: 'wamid.E3', timestamp: '1760000002', type: 'revoke', revoke: { original_message_id: 'wamid.E1' } }
    const edited = {
      id: 'wamid.E4',
      timestamp: '1760000002',
      type: 'edit',
      edit: { original_message_id: 'wamid.E1', message: { type: 'text', text: { body: 'Hola!' } } },
    }
    expect(echo(revoked)).toMatchObject([
      { kind: 'change', by: 'phone', person: { waId: customer }, change: { kind: 'revoke', targetId: 'wamid.E1' } },
    ])
    expect(echo(edited)).toMatchObject([{ kind: 'change', by: 'phone', change: { kind: 'edit', targetId: 'wamid.E1', messageType: 'text' } }])
  })
  it('of a type nobody knows keeps what came as it came', () => {
    const poll = { from: business, to: customer, id: 'wamid.E5', timestamp: '1', type: 'poll_of_tomorrow', poll_of_tomorrow: { q: '?' } }
    const [item] = items('smb_message_echoes', { message_echoes: [poll] })
    if (item?.kind !== 'recorded') throw new Error('not recorded')
    expect(JSON.parse(item.message.raw ?? '')).toEqual(poll)
  })
  it('costs its neighbours nothing when it cannot be read', () => {
    const good = { from: business, to: customer, ...text('wamid.E6') }
    expect(
      kinds(items('smb_message_echoes', { message_echoes: [null, 7, { type: 'text' }, { ...text('wamid.E7'), from: business }, good] })),
    ).toEqual([...Array.from({ length: 4 }, () => 'unreadable'), 'recorded'])
  })
})

describe('history', () => {
  const chunk = (messages: unknown[], more: object = {}) => ({
    metadata: { phase: 0, chunk_order: 1, progress: 55 },
    threads: [{ id: customer, context: { wa_id: customer, user_id: 'US.9' }, messages }],
    ...more,
  })
  const inbound = text('wamid.H1', { from: customer })
  const outbound = text('wamid.H2', { from: business, to: customer, history_context: { status: 'READ' } })

  it('is recorded in both directions, for the person whose thread it is, in the order it came', () => {
    expect(items('history', { history: [chunk([inbound, outbound])] })).toMatchObject([
      { kind: 'recorded', origin: 'history', direction: 'inbound', person: { waId: customer, bsuid: 'US.9' }, message: { providerId: 'wamid.H1' } },
      {
        kind: 'recorded',
        direction: 'outbound',
        person: { waId: customer, bsuid: 'US.9' },
        message: { providerId: 'wamid.H2', status: 'read' },
        path: 'entry[0].changes[0].value.history[0].threads[0].messages[1]',
      },
      { kind: 'news', field: 'history', value: { history: [{ metadata: { phase: 0, chunk_order: 1, progress: 55 } }] } },
    ])
  })
  it.each([
    ['SENT', 'sent'],
    ['DELIVERED', 'delivered'],
    ['READ', 'read'],
    ['PLAYED', 'played'],
    ['ERROR', 'failed'],
    ['PENDING', undefined],
    ['toString', undefined],
  ])('says of an outbound message that is %s: %s', (word, status) => {
    const [item] = items('history', { history: [chunk([{ ...outbound, history_context: { status: word } }])] })
    expect(item).toMatchObject({ kind: 'recorded' })
    expect(item?.kind === 'recorded' && item.message.status).toBe(status)
  })
  it('says nothing of statuses of what customers wrote', () => {
    const [item] = items('history', { history: [chunk([{ ...inbound, history_context: { status: 'READ' } }])] })
    expect(item?.kind === 'recorded' && 'status' in item.message).toBe(false)
  })
  it('keeps the place of a medium, and takes its body when it comes later', () => {
    const place = { from: customer, id: 'wamid.H3', timestamp: '1', type: 'media_placeholder' }
    const body = { from: customer, id: 'wamid.H3', timestamp: '1', type: 'image', image: { id: '9', mime_type: 'image/jpeg' } }
    const sent = { from: business, to: customer, id: 'wamid.H4', timestamp: '1', type: 'image', image: { id: '10' } }
    expect(items('history', { history: [chunk([place])] })[0]).toMatchObject({ kind: 'recorded', message: { messageType: 'media_placeholder' } })
    expect(items('history', { messages: [body, sent] })).toMatchObject([
      {
        kind: 'recorded',
        origin: 'history',
        direction: 'inbound',
        person: { waId: customer },
        message: { providerId: 'wamid.H3', messageType: 'image' },
      },
      { kind: 'recorded', origin: 'history', direction: 'outbound', person: { waId: customer }, message: { providerId: 'wamid.H4' } },
    ])
    expect(items('history', { message_echoes: [sent] })).toMatchObject([
      { kind: 'recorded', direction: 'outbound', message: { providerId: 'wamid.H4' } },
    ])
  })
  it('with reactions, edits and revokes in it changes what they stand on', () => {
    const reaction = {
      from: business,
      to: customer,
      id: 'wamid.H5',
      timestamp: '1',
      type: 'reaction',
      reaction: { message_id: 'wamid.H1', emoji: '👍' },
    }
    expect(items('history', { history: [chunk([reaction])] })[0]).toMatchObject({ kind: 'change', by: 'phone', change: { targetId: 'wamid.H1' } })
  })
  it('that the business does not share is news', () => {
    const errors = [{ code: 2593109, title: 'History sync is turned off by the business from the WhatsApp Business App' }]
    expect(items('history', { history: [{ errors }] })).toMatchObject([{ kind: 'news', field: 'history', value: { history: [{ errors }] } }])
  })
  it('names nobody in its news', () => {
    const news = items('history', { history: [chunk([inbound, outbound])] }).filter(({ kind }) => kind === 'news')
    expect(JSON.stringify(news)).not.toContain(customer)
  })
  it('loses only what cannot be read', () => {
    const history = [7, { threads: 'no' }, chunk([null, inbound]), { threads: [null, { id: customer, messages: [outbound] }] }]
    expect(kinds(items('history', { history }))).toEqual(['unreadable', 'news', 'unreadable', 'recorded', 'news', 'unreadable', 'recorded', 'news'])
  })
})

describe('the address book of the phone', () => {
  it('names people, by phone or user id', () => {
    const state_sync = [
      {
        type: 'contact',
        contact: { full_name: 'Ana Ruiz', first_name: 'Ana', phone_number: customer },
        action: 'add',
        metadata: { timestamp: '1760000003' },
      },
      { type: 'contact', contact: { first_name: 'Bea', user_id: 'US.7' }, action: 'remove', metadata: {} },
    ]
    expect(items('smb_app_state_sync', { state_sync })).toMatchObject([
      {
        kind: 'contact',
        person: { waId: customer, name: 'Ana Ruiz' },
        news: { kind: 'address_book', action: 'add' },
        at: '2025-10-09T08:53:23.000Z',
      },
      { kind: 'contact', person: { bsuid: 'US.7', name: 'Bea' }, news: { kind: 'address_book', action: 'remove' }, at: receivedAt.toISOString() },
    ])
  })
  it('with an entry about nobody loses that one', () => {
    const state_sync = [{ type: 'contact', contact: { full_name: 'Nobody' }, action: 'add' }, { type: 'label', action: 'add', contact: {} }, 3]
    expect(kinds(items('smb_app_state_sync', { state_sync }))).toEqual(['unreadable', 'news', 'unreadable'])
  })
})

describe('copies of what others see of the number', () => {
  const said = { from: customer, ...text('wamid.S1') }
  it.each([
    ['standby', { standby: { contacts: [{ wa_id: customer }], messages: [said] } }, { messages: 1, message_echoes: 0, statuses: 0 }],
    ['standby', { standby: { message_echoes: [{ id: 'wamid.S2', message: { to: customer } }] } }, { messages: 0, message_echoes: 1, statuses: 0 }],
    ['message_echoes', { message_echoes: [said, said] }, { messages: 0, message_echoes: 2, statuses: 0 }],
  ])('(%s) are news that say how much, and not what or of whom', (field, value, counted) => {
    const all = items(field, value)
    expect(all).toMatchObject([{ kind: 'news', field, phoneNumberId: '100', value: { counted } }])
    expect(JSON.stringify(all)).not.toContain(customer)
  })
})
