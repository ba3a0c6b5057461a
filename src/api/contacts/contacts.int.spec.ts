import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import { createHearOfContact } from '../../commands/contacts/hear-of-contact.ts'
import { createMeetContact } from '../../commands/contacts/meet-contact.ts'
import { createCommands } from '../../commands/kernel/execute.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

/** What the intake does when Meta names somebody. */
function provider() {
  const commands = createCommands({ store: desk.store, vault: desk.vault })
  const meetContact = createMeetContact({ commands, vault: desk.vault })
  const context = (tenantId: string, hour = 1) =>
    ({ ...desk.context(tenantId), actor: { kind: 'provider', id: 'meta' }, at: new Date(`2026-10-09T0${hour}:00:00Z`) }) as const
  return { meetContact, hearOfContact: createHearOfContact({ commands, vault: desk.vault, meetContact }), context }
}
const shown = async (key: string, contactId: string) => {
  const readAfter = { 'x-read-after': (await desk.store.head()).position }
  return (await desk.call(key, 'GET', `/v1/contacts/${contactId}`, undefined, readAfter)).json
}

describe('a contact', () => {
  it('who hides the phone is shown by user id and user name', async () => {
    const { tenantId, key } = await desk.tenant()
    const { meetContact, context } = provider()
    const { contactId } = await meetContact({ bsuid: 'ES.1', username: 'ana.example', name: 'Ana' }, 'inbound', context(tenantId))
    const contact = await shown(key, contactId)
    expect(contact).toMatchObject({ name: 'Ana', username: 'ana.example', bsuid: 'ES.1', identities: [{ kind: 'bsuid', value: 'ES.1' }] })
    expect(contact).not.toHaveProperty('phone')
    expect(contact).not.toHaveProperty('wa_id')
  })

  it('is shown with the number it has now, and keeps the one it had', async () => {
    const { tenantId, key } = await desk.tenant()
    const { meetContact, hearOfContact, context } = provider()
    const { contactId } = await meetContact({ waId: '556181234567' }, 'inbound', context(tenantId))
    expect(await shown(key, contactId)).toMatchObject({ phone: '+5561981234567', wa_id: '556181234567' })
    await hearOfContact({ waId: '556181234567' }, { kind: 'identity_replaced', now: { waId: '34600000002' } }, context(tenantId, 2))
    expect(await shown(key, contactId)).toMatchObject({
      phone: '+34600000002',
      identities: [
        { kind: 'wa_id', value: '34600000002' },
        { kind: 'wa_id', value: '556181234567', former: true },
      ],
    })
  })

  it('is called as in the address book of the phone, and tells what it wants to be sent', async () => {
    const { tenantId, key } = await desk.tenant()
    const { meetContact, hearOfContact, context } = provider()
    const ana = { waId: '34600000003', name: 'Ana' }
    const { contactId } = await meetContact(ana, 'inbound', context(tenantId))
    await hearOfContact({ ...ana, name: 'Ana Taller' }, { kind: 'address_book', action: 'add' }, context(tenantId, 2))
    await hearOfContact(ana, { kind: 'consent', purpose: 'marketing', granted: false, source: 'whatsapp' }, context(tenantId, 3))
    expect(await shown(key, contactId)).toMatchObject({
      name: 'Ana Taller',
      profile_name: 'Ana',
      in_address_book: true,
      consents: [{ purpose: 'marketing', granted: false, at: '2026-10-09T03:00:00.000Z', source: 'whatsapp' }],
    })
    await hearOfContact(ana, { kind: 'address_book', action: 'remove' }, context(tenantId, 4))
    expect(await shown(key, contactId)).toMatchObject({ name: 'Ana', in_address_book: false })
  })

  it('who may be another one, too, names that one', async () => {
    const { tenantId, key } = await desk.tenant()
    const { meetContact, context } = provider()
    const phone = await meetContact({ waId: '34600000004' }, 'inbound', context(tenantId))
    const user = await meetContact({ bsuid: 'ES.4' }, 'inbound', context(tenantId))
    const both = await meetContact({ waId: '34600000004', bsuid: 'ES.4' }, 'inbound', context(tenantId))
    expect(both.contactId).toBe(phone.contactId)
    expect(await shown(key, phone.contactId)).toMatchObject({ possible_duplicates: [user.contactId] })
  })
})

describe('POST /v1/phones/validate', () => {
  it('says of one number whether it can be written to', async () => {
    const { key } = await desk.tenant()
    const good = await desk.call(key, 'POST', '/v1/phones/validate', { phone: '600 000 001', country: 'es' })
    expect([good.status, good.json]).toEqual([
      200,
      { phone: '600 000 001', valid: true, e164: '+34600000001', wa_id: '34600000001', type: 'mobile', country: 'ES' },
    ])
    expect((await desk.call(key, 'POST', '/v1/phones/validate', { phone: '+34 1' })).json).toMatchObject({ valid: false, reason: 'too_short' })
  })
  it('answers a list in its order', async () => {
    const { key } = await desk.tenant()
    const { json } = await desk.call(key, 'POST', '/v1/phones/validate', {
      country: 'AR',
      phones: [{ phone: '011 15-2345-6789' }, { phone: '600', country: 'ES' }],
    })
    expect(json).toMatchObject({ data: [{ wa_id: '5491123456789' }, { valid: false }] })
  })
  it.each([[{}], [{ phone: '1', phones: [{ phone: '1' }] }], [{ phone: '1', country: 'Spain' }], [{ phones: [] }]])('refuses %j', async (body) => {
    const { key } = await desk.tenant()
    expect((await desk.call(key, 'POST', '/v1/phones/validate', body)).status).toBe(422)
  })
})
