import { describe, expect, it } from 'vitest'
import type { Item } from './items.ts'
import { translate } from './translate.ts'

// The examples are those of the provider's documentation (state of October 2026), word for word where they are JSON.

const receivedAt = new Date('2026-10-09T08:00:00Z')
const read = (messages: readonly unknown[], more: object = {}): readonly Item[] =>
  translate(
    { entry: [{ id: 'waba', changes: [{ field: 'messages', value: { metadata: { phone_number_id: '100' }, messages, ...more } }] }] },
    receivedAt,
  )
const only = (items: readonly Item[]): Item => {
  expect(items).toHaveLength(1)
  return items[0] as Item
}
function taken(raw: object, more: object = {}) {
  const [item] = read([raw], more)
  if (item?.kind !== 'message') throw new Error(`not a message: ${JSON.stringify(item)}`)
  return { ...item.message, content: JSON.parse(item.message.content) as Record<string, unknown>, person: item.person }
}
function changed(raw: object) {
  const item = only(read([raw]))
  if (item.kind !== 'change') throw new Error(`not a change: ${JSON.stringify(item)}`)
  return item
}

const from = { from: '15550002222' }
const answered = { context: { from: '15550001111', id: 'wamid.OUT' }, ...from }
const jpeg = { id: '9001', mime_type: 'image/jpeg', sha256: 'b64=', caption: 'opt', url: 'https://lookaside.fbsbx.com/x' }
const card = {
  name: { formatted_name: 'Jo Doe', first_name: 'Jo' },
  phones: [{ phone: '+1 555', wa_id: '1555', type: 'CELL' }],
  org: { company: 'X' },
  birthday: '1990-01-01',
  origin: 'other',
  vcard: 'BEGIN:VCARD',
}
const order = { catalog_id: '77', text: 'opt', product_items: [{ product_retailer_id: 'sku1', quantity: 2, item_price: 7.99, currency: 'USD' }] }

describe('a message of type', () => {
  it.each<[string, object, object]>([
    ['text', { ...from, from_user_id: 'US.1349', type: 'text', text: { body: 'Hi' } }, { text: { body: 'Hi' } }],
    ['image', { ...from, type: 'image', image: jpeg }, { image: jpeg }],
    ['video', { ...from, type: 'video', video: { id: '9002', mime_type: 'video/mp4', sha256: 'b64=' } }, { video: { id: '9002' } }],
    ['audio', { ...from, type: 'audio', audio: { id: '9003', mime_type: 'audio/ogg; codecs=opus', voice: true } }, { audio: { voice: true } }],
    ['document', { ...from, type: 'document', document: { id: '9004', filename: 'a.pdf', caption: 'opt' } }, { document: { filename: 'a.pdf' } }],
    ['sticker', { ...from, type: 'sticker', sticker: { id: '9005', mime_type: 'image/webp', animated: false } }, { sticker: { animated: false } }],
    ['location', { ...from, type: 'location', location: { latitude: 4.61, longitude: -74.08 } }, { location: { latitude: 4.61, longitude: -74.08 } }],
    ['contacts', { ...from, type: 'contacts', contacts: [card] }, { contacts: [card] }],
    [
      'contacts without a name',
      { ...from, type: 'contacts', contacts: [{ origin: 'contact_request' }] },
      { contacts: [{ origin: 'contact_request' }] },
    ],
    ['button', { ...answered, type: 'button', button: { payload: 'OPT_OUT', text: 'Stop' } }, { button: { payload: 'OPT_OUT', text: 'Stop' } }],
    ['order', { ...from, type: 'order', order }, { order }],
    [
      'interactive, a button',
      { ...answered, type: 'interactive', interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } } },
      { interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } } },
    ],
    [
      'interactive, a row of a list',
      { ...answered, type: 'interactive', interactive: { type: 'list_reply', list_reply: { id: 'r1', title: 'Row', description: 'opt' } } },
      { interactive: { list_reply: { id: 'r1', title: 'Row', description: 'opt' } } },
    ],
    [
      'interactive, a permission to call',
      { ...answered, type: 'interactive', interactive: { type: 'call_permission_reply', call_permission_reply: { response: 'accept' } } },
      { interactive: { call_permission_reply: { response: 'accept' } } },
    ],
  ])('%s is shown with the object of the provider and needs no raw', (_what, raw, content) => {
    const message = taken({ id: 'wamid.1', timestamp: '1760000001', ...raw })
    expect(message).toMatchObject({ providerId: 'wamid.1', content, at: '2025-10-09T08:53:21.000Z', person: { waId: '15550002222' } })
    expect(message).not.toHaveProperty('raw')
  })

  it('interactive, a filled form: its answers are read out of the string that they come in', () => {
    const reply = { name: 'flow', body: 'Sent', response_json: '{"flow_token":"t","x":"1"}' }
    const { content } = taken({ ...answered, id: 'wamid.B3', type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply: reply } })
    expect(content).toEqual({ interactive: { type: 'nfm_reply', nfm_reply: { ...reply, response: { flow_token: 't', x: '1' } } } })
  })
  it.each([['not JSON'], [`${'['.repeat(100_000)}${']'.repeat(100_000)}`], [7]])(
    'interactive, a form whose answers cannot be read keeps them as they are (%#)',
    (odd) => {
      const reply = { name: 'flow', response_json: odd }
      const { content } = taken({ ...answered, id: 'wamid.B3', type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply: reply } })
      expect(content).toEqual({ interactive: { type: 'nfm_reply', nfm_reply: reply } })
    },
  )

  it.each(['image', 'video', 'audio', 'document', 'sticker'])('%s names its file', (type) => {
    const { media } = taken({ ...from, id: 'wamid.1', type, [type]: { id: 9001, mime_type: 'x/y', sha256: 'b64=' } })
    expect(media).toEqual({ providerId: '9001', kind: type, mimeType: 'x/y', sha256: 'b64=' })
  })

  it('system tells of a new number: shown in the thread, and news of the contact', () => {
    const system = { type: 'user_changed_number', body: 'User A changed from 1 to 2', wa_id: '15550003333', user_id: 'US.2083' }
    const items = read([{ ...from, id: 'wamid.Y1', timestamp: '1760000016', type: 'system', system }])
    expect(items).toMatchObject([
      { kind: 'message', message: { messageType: 'system', content: JSON.stringify({ system }) } },
      {
        kind: 'contact',
        person: { waId: '15550002222' },
        news: { kind: 'identity_replaced', now: { waId: '15550003333', bsuid: 'US.2083' } },
        at: '2025-10-09T08:53:36.000Z',
      },
    ])
  })
  it('system in its old spelling names the former number inside', () => {
    const system = { type: 'customer_changed_number', customer: '15550002222', new_wa_id: '15550003333' }
    expect(read([{ id: 'wamid.Y1', type: 'system', system }])[1]).toMatchObject({
      kind: 'contact',
      person: { waId: '15550002222' },
      news: { now: { waId: '15550003333' } },
    })
  })
  it('system about a changed identity is shown with it and replaces nothing', () => {
    const identity = { acknowledged: true, created_timestamp: 1, hash: 'h' }
    const raw = { ...from, id: 'wamid.Y2', type: 'system', system: { type: 'customer_identity_changed', body: 'x' }, identity }
    expect(read([raw])).toHaveLength(1)
    expect(taken(raw).content).toMatchObject({ identity })
  })

  const errors = [{ code: 131051, title: 'Message type unknown', error_data: { details: 'Message type is currently not supported.' } }]
  it.each<[string, object, object]>([
    ['with its own name', { unsupported: { type: 'poll_creation' }, errors }, { unsupported: { type: 'poll_creation' }, errors }],
    ['without the object', { errors }, { errors }],
    ['whose content is only on the phone', { errors: [{ code: 131060 }] }, { errors: [{ code: 131060 }] }],
  ])('unsupported %s says why', (_what, said, content) => {
    const message = taken({ ...from, id: 'wamid.U1', type: 'unsupported', ...said })
    expect(message).toMatchObject({ messageType: 'unsupported', content })
    expect(message).not.toHaveProperty('raw')
  })
  it.each<[string, object, string]>([
    ['that nobody knows', { type: 'poll_of_tomorrow', poll_of_tomorrow: { q: '?' } }, 'poll_of_tomorrow'],
    ['with a name that is no name', { type: 'Poll!', 'Poll!': { q: '?' } }, 'unsupported'],
    ['that is a number', { type: 7, text: { body: 'x' } }, 'unsupported'],
    ['that is missing', { text: { body: 'x' } }, 'unsupported'],
    ['that is the name of another field', { type: 'context', context: { id: 'wamid.OUT' } }, 'context'],
    ['text with a field of tomorrow', { type: 'text', text: { body: 'x' }, mood: 'good' }, 'text'],
    ['text without its object', { type: 'text' }, 'text'],
    ['reaction that stands on nothing', { type: 'reaction', reaction: { emoji: '👍' } }, 'reaction'],
    ['edit of nothing', { type: 'edit', edit: { message: { type: 'text', text: { body: 'x' } } } }, 'edit'],
    ['revoke of nothing', { type: 'revoke' }, 'revoke'],
  ])('%s is visible and keeps all that came', (_what, odd, type) => {
    const raw = { ...from, id: 'wamid.P', ...odd }
    const message = taken(raw)
    expect(message.messageType).toBe(type)
    expect(JSON.parse(message.raw ?? 'null')).toEqual(raw)
  })
})

describe('what stands beside a message', () => {
  const text = { ...from, id: 'wamid.F1', timestamp: '1760000020', type: 'text', text: { body: 'Info?' } }
  const referral = {
    source_url: 'https://fb.me/x',
    source_id: '120',
    source_type: 'ad',
    headline: 'H',
    ctwa_clid: 'Aff',
    welcome_message: { text: 'Hello' },
  }

  it('an advertisement is shown, and is where a free entry point may begin', () => {
    expect(taken({ ...text, referral })).toMatchObject({ content: { referral }, entryPoint: { sourceType: 'ad', sourceId: '120', clickId: 'Aff' } })
  })
  it('an answer is told once, a forward and a question about a product as they are', () => {
    expect(taken({ ...text, ...answered })).toMatchObject({ replyTo: { providerId: 'wamid.OUT' }, content: { text: { body: 'Info?' } } })
    expect(taken({ ...text, ...answered }).content).not.toHaveProperty('context')
    for (const context of [{ forwarded: true }, { frequently_forwarded: true }]) {
      expect(taken({ ...text, context })).toMatchObject({ content: { context } })
      expect(taken({ ...text, context })).not.toHaveProperty('replyTo')
    }
    const context = { from: '1', id: 'wamid.P', referred_product: { catalog_id: '77', product_retailer_id: 'sku' } }
    expect(taken({ ...text, context })).toMatchObject({ content: { context }, replyTo: { providerId: 'wamid.P' } })
  })
  it('an error of the value belongs to the message that lacks its body', () => {
    const errors = [{ code: 131000, title: 'Unsupported webhook payload' }]
    const bare = { ...from, id: 'wamid.I', type: 'interactive' }
    const items = read([text, bare], { errors })
    expect(items.map((item) => item.kind === 'message' && (JSON.parse(item.message.content) as object))).toEqual([
      { text: { body: 'Info?' } },
      { errors },
    ])
  })
  it('an error of the value that concerns no message is news of the account', () => {
    const errors = [{ code: 130429, title: 'Rate limit hit' }]
    expect(read([text], { errors })).toMatchObject([
      { kind: 'message' },
      { kind: 'news', field: 'messages', phoneNumberId: '100', value: { errors } },
    ])
    expect(read([], { errors })).toMatchObject([{ kind: 'news', value: { errors } }])
  })
  it('clicks are news, and of what may quote people only the name is told', () => {
    const actions = [{ action_type: 'marketing_messages_link_click', timestamp: '1' }]
    const items = read([], { user_actions: actions, conversation_context: { type: 'summary', summary: { text: 'Ana wants a flat' } } })
    expect(only(items)).toMatchObject({ kind: 'news', value: { user_actions: actions, also: ['conversation_context'] } })
    expect(JSON.stringify(items)).not.toContain('Ana')
  })
})

describe('a change of another message', () => {
  const reaction = { ...from, id: 'wamid.R1', timestamp: '1760000009', type: 'reaction' }
  it('is a reaction, on', () => {
    expect(changed({ ...reaction, reaction: { message_id: 'wamid.OUT', emoji: '👍' } })).toMatchObject({
      by: 'contact',
      person: { waId: '15550002222' },
      change: { kind: 'reaction', targetId: 'wamid.OUT', providerId: 'wamid.R1', emoji: '👍', at: '2025-10-09T08:53:29.000Z' },
    })
  })
  it.each([[undefined], [''], [null]])('is a reaction, off, with the emoji %j', (emoji) => {
    const { change } = changed({ ...reaction, reaction: { message_id: 'wamid.OUT', emoji } })
    expect(change).toMatchObject({ kind: 'reaction', targetId: 'wamid.OUT' })
    expect(change).not.toHaveProperty('emoji')
  })
  it('is an edit, with what the message says now', () => {
    const message = { context: { id: 'wamid.X' }, type: 'text', text: { body: 'Hi!' } }
    expect(changed({ ...from, id: 'wamid.E1', type: 'edit', edit: { original_message_id: 'wamid.T1', message } }).change).toMatchObject({
      kind: 'edit',
      targetId: 'wamid.T1',
      messageType: 'text',
      content: '{"text":{"body":"Hi!"}}',
    })
  })
  it('is a revoke', () => {
    expect(changed({ ...from, id: 'wamid.K1', type: 'revoke', revoke: { original_message_id: 'wamid.T1' } }).change).toMatchObject({
      kind: 'revoke',
      targetId: 'wamid.T1',
      providerId: 'wamid.K1',
    })
  })
})

describe('a message of a group', () => {
  const written = {
    ...from,
    group_id: 'Y2FwaV9ncm91cDoxNTU1',
    id: 'wamid.G1',
    timestamp: '1760000020',
    type: 'text',
    text: { body: 'Dinner at eight?' },
  }

  it('is no message of the conversation with whoever wrote it: it is news of the account, without a word of it', () => {
    const item = only(read([written]))
    expect(item).toMatchObject({
      kind: 'news',
      field: 'messages',
      wabaId: 'waba',
      phoneNumberId: '100',
      path: 'entry[0].changes[0].value.messages[0]',
      at: '2025-10-09T08:53:40.000Z',
      dated: true,
      value: { event: 'group_message', group_id: 'Y2FwaV9ncm91cDoxNTU1', type: 'text' },
    })
    for (const personal of ['15550002222', 'Dinner', 'wamid.G1']) expect(JSON.stringify(item)).not.toContain(personal)
  })
  it.each([
    ['reaction', { reaction: { message_id: 'wamid.OUT', emoji: '👍' } }],
    ['edit', { edit: { original_message_id: 'wamid.T1', message: { type: 'text', text: { body: 'Hi!' } } } }],
    ['revoke', { revoke: { original_message_id: 'wamid.T1' } }],
    ['image', { image: { id: '9001', mime_type: 'image/jpeg' } }],
    ['hologram', { hologram: {} }],
  ])('of type %s is not applied to the conversation either', (type, said) => {
    expect(only(read([{ ...written, text: undefined, type, ...said }]))).toMatchObject({ kind: 'news', value: { type } })
  })
  it('is told from its neighbours of the same second, and is the same when it is repeated', () => {
    const [one, other, again] = read([written, { ...written, id: 'wamid.G2' }, written]).map((item) => item.kind === 'news' && item.value)
    expect(one).not.toEqual(other)
    expect(one).toEqual(again)
  })
  it('needs neither a sender nor a group that can be read', () => {
    expect(read([{ ...written, from: undefined, group_id: { odd: true } }])).toMatchObject([{ kind: 'news', value: { type: 'text' } }])
  })
  it('without a group is a message like any other', () => {
    expect(read([{ ...written, group_id: null }])).toMatchObject([{ kind: 'message' }])
  })
  it('says why it has no body', () => {
    const errors = [{ code: 131051, title: 'Message type unknown' }]
    expect(read([{ ...written, text: undefined, type: 'unsupported', errors }])).toMatchObject([{ value: { errors } }])
    expect(read([{ ...written, text: undefined }], { errors })).toMatchObject([{ value: { errors } }])
  })
  it('that tells of a new number is still news of the person, whoever they are to us', () => {
    const system = { type: 'user_changed_number', body: 'A changed', wa_id: '15550003333' }
    expect(read([{ ...written, text: undefined, type: 'system', system }])).toMatchObject([
      { kind: 'news' },
      { kind: 'contact', person: { waId: '15550002222' }, news: { kind: 'identity_replaced', now: { waId: '15550003333' } } },
    ])
  })
})
