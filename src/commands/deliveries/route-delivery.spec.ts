import { describe, expect, it } from 'vitest'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { addressesOf, routeDelivery, type Routes } from './route-delivery.ts'

const routes: Routes = {
  channelOfNumber: (id) => ({ '1': { tenantId: 'ana', channelId: 'c1' }, '2': { tenantId: 'bea', channelId: 'c2' } })[id],
  tenantsOfWaba: (id) => (id === 'shared' ? ['ana', 'bea'] : []),
}
const change = (phoneNumberId: string, text: string) => ({
  field: 'messages',
  value: { metadata: { phone_number_id: phoneNumberId }, messages: [{ text }] },
})
const delivery = (...entry: unknown[]) => ({ object: 'whatsapp_business_account', entry })

describe('routing a delivery', () => {
  it('leaves it whole for the one tenant it belongs to', () => {
    expect(routeDelivery(delivery({ id: 'w', changes: [change('1', 'a'), change('1', 'b')] }), routes)).toEqual([
      { tenantId: 'ana', value: undefined },
    ])
  })
  it('gives each of two tenants its own changes and nothing of the other', () => {
    const parts = routeDelivery(delivery({ id: 'w', changes: [change('1', 'for ana'), change('2', 'for bea')] }), routes)
    expect(parts.map(({ tenantId }) => tenantId)).toEqual(['ana', 'bea'])
    expect(JSON.stringify(parts[0])).not.toContain('for bea')
    expect(parts[1]?.value).toEqual(delivery({ id: 'w', changes: [change('2', 'for bea')] }))
  })
  it('keeps what is for an unknown number apart from what is known', () => {
    expect(routeDelivery(delivery({ id: 'w', changes: [change('9', 'x'), change('1', 'y')] }), routes).map(({ tenantId }) => tenantId)).toEqual([
      platformTenant,
      'ana',
    ])
  })
  it('gives account news to every tenant of the business account', () => {
    const parts = routeDelivery(delivery({ id: 'shared', changes: [{ field: 'account_update', value: { event: 'X' } }] }), routes)
    expect(parts.map(({ tenantId }) => tenantId)).toEqual(['ana', 'bea'])
  })
  it('finds the account of news whose entry is the business', () => {
    const news = { field: 'account_update', value: { event: 'PARTNER_REMOVED', waba_info: { waba_id: 'shared', owner_business_id: 'b' } } }
    expect(routeDelivery(delivery({ id: 'business', changes: [news] }), routes).map(({ tenantId }) => tenantId)).toEqual(['ana', 'bea'])
    expect(addressesOf(delivery({ id: 'business', changes: [news] }))).toEqual({ phoneNumberIds: [], wabaIds: ['shared'] })
  })
  it('shows a hand-over, which names a customer, only to the one whose number it is', () => {
    const handOver = { field: 'messaging_handovers', value: { sender: { phone_number: '1555' }, recipient: { phone_number_id: '2' } } }
    expect(routeDelivery(delivery({ id: 'shared', changes: [handOver] }), routes)).toEqual([{ tenantId: 'bea', value: undefined }])
  })
  it.each([[null], [42], ['text'], [[]], [{}], [{ entry: 7 }], [delivery(null, 3, { changes: 'no' }, { id: 'w', changes: [null, 5] })]])(
    'takes %j for the platform to keep',
    (odd) => {
      expect(routeDelivery(odd, routes)).toEqual([{ tenantId: platformTenant, value: undefined }])
    },
  )
  it('names the numbers to wait for', () => {
    expect(addressesOf(delivery({ id: 'w', changes: [change('9', 'x'), { field: 'account_update', value: {} }] }))).toEqual({
      phoneNumberIds: ['9'],
      wabaIds: ['w'],
    })
  })
})
