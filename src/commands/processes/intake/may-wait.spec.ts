import { describe, expect, it } from 'vitest'
import { mayWait } from './may-wait.ts'
import { translate } from './meta/translate.ts'

const metadata = { display_phone_number: '15550001111', phone_number_id: '100' }
const at = new Date('2026-10-09T08:00:00Z')
const delivery = (...changes: { field: string; value: object }[]) =>
  translate({ entry: [{ id: 'waba', changes: changes.map(({ field, value }) => ({ field, value: { metadata, ...value } })) }] }, at)
const old = { from: '15550002222', id: 'wamid.H', timestamp: '1750000000', type: 'text', text: { body: 'x' } }
const history = { field: 'history', value: { history: [{ metadata: { phase: 0 }, threads: [{ id: '15550002222', messages: [old] }] }] } }
const live = { field: 'messages', value: { messages: [{ ...old, id: 'wamid.L' }] } }
const echo = { field: 'smb_message_echoes', value: { message_echoes: [{ ...old, from: '15550001111', to: '15550002222', id: 'wamid.E' }] } }
const refused = { field: 'history', value: { history: [{ errors: [{ code: 2593109 }] }] } }

describe('what may wait until there is time', () => {
  it('is a delivery of nothing but history', () => {
    expect(mayWait(delivery(history, history))).toBe(true)
  })
  it.each([
    ['one with a message of today in it', [history, live]],
    ['one with something from the phone of today', [history, echo]],
    ['the news that history is not shared', [refused]],
    ['one with nothing in it', []],
  ])('is not %s', (_what, changes) => {
    expect(mayWait(delivery(...changes))).toBe(false)
  })
  it('is also history with an item that cannot be read: it is noted when its turn comes, and the others do not come back into a page for it', () => {
    expect(mayWait(delivery(history, { field: 'history', value: { messages: [7] } }))).toBe(true)
  })
  it('is a whole address book, and not a change in one', () => {
    const entries = (count: number) => ({
      field: 'smb_app_state_sync',
      value: {
        state_sync: Array.from({ length: count }, (_, n) => ({ type: 'contact', action: 'add', contact: { phone_number: `1555000${1000 + n}` } })),
      },
    })
    expect(mayWait(delivery(entries(1_000)))).toBe(true)
    expect(mayWait(delivery(entries(1)))).toBe(false)
    expect(mayWait(delivery(entries(1_000), live))).toBe(false)
  })
})
