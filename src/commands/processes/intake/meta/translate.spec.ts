import { assert, anything, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Item } from './items.ts'
import { translate } from './translate.ts'

const receivedAt = new Date('2026-10-09T08:00:00Z')
const delivery = (value: object, field = 'messages') => ({
  object: 'whatsapp_business_account',
  entry: [{ id: 'waba', changes: [{ field, value: { messaging_product: 'whatsapp', metadata: { phone_number_id: '100' }, ...value } }] }],
})
const text = { from: '15550002222', id: 'wamid.T1', timestamp: '1760000001', type: 'text', text: { body: 'Hola 👋' } }
const only = (items: readonly Item[]): Item => {
  expect(items).toHaveLength(1)
  return items[0] as Item
}
const message = (raw: object, value: object = {}) => {
  const item = only(translate(delivery({ messages: [raw], ...value }), receivedAt))
  if (item.kind !== 'message') throw new Error(`${item.kind}: ${JSON.stringify(item)}`)
  return item
}
const status = (raw: object) => {
  const item = only(translate(delivery({ statuses: [raw] }), receivedAt))
  if (item.kind !== 'status') throw new Error(`${item.kind}: ${JSON.stringify(item)}`)
  return item
}

describe('a delivery of a million nothings', () => {
  it('is one thing that cannot be read, and found to be that at once', () => {
    const began = performance.now()
    expect(translate(delivery({ messages: Array.from({ length: 1_000_000 }, () => 1) }), receivedAt)).toMatchObject([
      { kind: 'unreadable', path: '' },
    ])
    expect(performance.now() - began).toBeLessThan(1_000)
  })
  it("is not a phone's history, of which a delivery holds as many messages as fit into it", () => {
    const messages = Array.from({ length: 30_000 }, (_, n) => ({ ...text, id: `wamid.${n}` }))
    const items = translate(delivery({ history: [{ threads: [{ id: '15550002222', messages }] }] }, 'history'), receivedAt)
    expect(items.filter(({ kind }) => kind === 'recorded')).toHaveLength(30_000)
  })
})

describe('a message', () => {
  it('of text is taken with its words, its sender and its moment', () => {
    expect(message(text)).toMatchObject({
      phoneNumberId: '100',
      person: { waId: '15550002222' },
      message: { providerId: 'wamid.T1', messageType: 'text', content: '{"text":{"body":"Hola 👋"}}', at: '2025-10-09T08:53:21.000Z' },
    })
  })
  it('finds its contact card by id and not by place', () => {
    const contacts = [
      { wa_id: '1', profile: { name: 'Other' } },
      { wa_id: '15550002222', user_id: 'US.9', profile: { name: 'Ana' } },
    ]
    expect(message(text, { contacts }).person).toEqual({ waId: '15550002222', bsuid: 'US.9', name: 'Ana' })
  })
  it('without a phone is known by its user id', () => {
    const { from: _hidden, ...hidden } = text
    expect(message({ ...hidden, from_user_id: 'US.9' }).person).toMatchObject({ waId: undefined, bsuid: 'US.9' })
  })
  it('says what it answers', () => {
    expect(message({ ...text, context: { from: '1', id: 'wamid.OUT' } }).message.replyTo).toEqual({ providerId: 'wamid.OUT' })
    expect(message({ ...text, context: { forwarded: true } }).message.replyTo).toBeUndefined()
  })
  it('of a type nobody knows keeps its name and all that came', () => {
    const poll = { from: '1', id: 'wamid.P', timestamp: '1760000001', type: 'poll_of_tomorrow', poll_of_tomorrow: { question: '?' } }
    const { message: taken } = message(poll)
    expect(taken).toMatchObject({ messageType: 'poll_of_tomorrow', content: '{"poll_of_tomorrow":{"question":"?"}}' })
    expect(JSON.parse(taken.raw ?? '')).toEqual(poll)
  })
  it.each([['not a number'], ['99999999999999'], [undefined], ['-5']])('dated %s has the moment of its arrival', (timestamp) => {
    expect(message({ ...text, timestamp }).message.at).toBe(receivedAt.toISOString())
  })
  it.each([
    ['nobody as sender', { ...text, from: undefined }],
    ['no id', { ...text, id: undefined }],
    ['an id that no column could hold', { ...text, id: 'wamid.\u0000' }],
    ['no object at all', 'hello'],
  ])('with %s is put aside and its neighbours are not', (_what, broken) => {
    const items = translate(delivery({ messages: [text, broken, { ...text, id: 'wamid.T2' }] }), receivedAt)
    expect(items.map(({ kind }) => kind)).toEqual(['message', 'unreadable', 'message'])
    expect(items[1]?.path).toBe('entry[0].changes[0].value.messages[1]')
  })
  it('that is put aside says why without saying what it held', () => {
    const item = only(translate(delivery({ messages: [{ ...text, id: {}, text: { body: 'my secret' } }] }), receivedAt))
    expect(item).toMatchObject({ kind: 'unreadable' })
    expect(JSON.stringify(item)).not.toContain('my secret')
  })
})

describe('a status', () => {
  const delivered = {
    id: 'wamid.OUT',
    status: 'delivered',
    timestamp: '1760000100',
    biz_opaque_callback_data: 'row-42',
    pricing: { category: 'utility' },
  }

  it('names its message twice over', () => {
    expect(status(delivered)).toMatchObject({
      callbackId: 'row-42',
      report: { providerId: 'wamid.OUT', status: 'delivered', at: '2025-10-09T08:55:00.000Z', pricing: { category: 'utility' } },
    })
  })
  it('of failure explains itself and keeps the words of Meta', () => {
    const error = { code: 131047, title: 'Re-engagement message', error_data: { details: 'More than 24 hours have passed' } }
    expect(status({ ...delivered, status: 'failed', errors: [error] }).report.error).toMatchObject({
      code: 'provider_131047',
      detail: 'More than 24 hours have passed',
      retryable: false,
      providerError: error,
    })
  })
})

describe('a delivery', () => {
  it('is read to its last entry, change and item', () => {
    const change = (n: number) => ({ field: 'messages', value: { metadata: { phone_number_id: '100' }, messages: [{ ...text, id: `wamid.${n}` }] } })
    const items = translate({ entry: [{ changes: [change(1), change(2)] }, { changes: [change(3)] }] }, receivedAt)
    expect(items.map(({ path }) => path)).toEqual([
      'entry[0].changes[0].value.messages[0]',
      'entry[0].changes[1].value.messages[0]',
      'entry[1].changes[0].value.messages[0]',
    ])
  })
  it('of another field is news of the account and has nothing for conversations', () => {
    expect(translate(delivery({ messages: [text] }, 'account_update'), receivedAt)).toMatchObject([{ kind: 'news', field: 'account_update' }])
  })
  it('never throws, whatever it is', () => {
    assert(property(anything(), (odd) => Array.isArray(translate(odd, receivedAt))))
    assert(property(anything(), (odd) => Array.isArray(translate(delivery({ messages: odd, statuses: [odd], contacts: [odd] }), receivedAt))))
  })
})
