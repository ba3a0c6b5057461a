import { describe, expect, it } from 'vitest'
import { translate } from './translate.ts'

const receivedAt = new Date('2026-10-09T08:00:00Z')
const read = (status: object) =>
  translate(
    { entry: [{ id: 'waba', changes: [{ field: 'messages', value: { metadata: { phone_number_id: '100' }, statuses: [status] } }] }] },
    receivedAt,
  )
function report(status: object) {
  const [item] = read(status)
  if (item?.kind !== 'status') throw new Error(`not a status: ${JSON.stringify(item)}`)
  return { ...item.report, callbackId: item.callbackId }
}
const pricing = { billable: true, pricing_model: 'PMP', type: 'regular', category: 'utility' }
const delivered = {
  id: 'wamid.OUT',
  status: 'delivered',
  timestamp: '1760000100',
  recipient_id: '15550002222',
  recipient_user_id: 'US.1349',
  biz_opaque_callback_data: 'row-42',
  pricing,
}

describe('a report on a message', () => {
  it('says which message, how far and at what price, and not to whom', () => {
    expect(report(delivered)).toEqual({ providerId: 'wamid.OUT', status: 'delivered', at: '2025-10-09T08:55:00.000Z', pricing, callbackId: 'row-42' })
  })
  it.each(['sent', 'delivered', 'read', 'played', 'failed'])('%s needs neither a recipient nor a price', (status) => {
    expect(report({ id: 'wamid.OUT', status, timestamp: '1760000100' })).toMatchObject({ status })
  })
  it('names all the errors when there are several, and explains the first', () => {
    const errors = [{ code: 131047, title: 'Re-engagement message', error_data: { details: 'late' } }, { code: 131000 }]
    expect(report({ ...delivered, status: 'failed', errors }).error).toMatchObject({
      code: 'provider_131047',
      detail: 'late',
      providerError: errors[0],
      providerErrors: errors,
    })
    expect(report({ ...delivered, status: 'failed', errors: [errors[0]] }).error).not.toHaveProperty('providerErrors')
  })
  it('carries the conversation of a free entry point, and a price that is nested in it', () => {
    const conversation = { id: 'c', origin: { type: 'referral_conversion' }, expiration_timestamp: '1760259300' }
    expect(report({ ...delivered, conversation })).toMatchObject({ conversation, pricing })
    expect(report({ ...delivered, pricing: undefined, conversation: { id: 'c', pricing } })).toMatchObject({ pricing })
  })
  it.each(['recipient_participant_id', 'participant_recipient_id', 'recipient_participant_user_id'])('of a group says who, under %s', (field) => {
    const ana = report({ ...delivered, recipient_type: 'group', recipient_id: 'G1', [field]: '15550002222' }).participant
    const jo = report({ ...delivered, recipient_type: 'group', recipient_id: 'G1', [field]: '15550003333' }).participant
    expect(ana).toEqual({ tag: expect.stringMatching(/^[0-9a-f]{6}$/) as string, id: '15550002222' })
    expect(jo?.tag).not.toBe(ana?.tag)
  })
  it.each(['deleted', 'warning', 'held_for_quality_assessment'])(
    'in a word that is no status of ours (%s) is kept as it came, without the recipient',
    (status) => {
      const { raw } = report({ ...delivered, status, reason: '?' })
      expect(JSON.parse(raw ?? 'null')).toMatchObject({ id: 'wamid.OUT', status, reason: '?' })
      expect(raw).not.toContain('15550002222')
      expect(raw).not.toContain('US.1349')
    },
  )
  it.each([[{ ...delivered, status: 7 }], [{ ...delivered, id: undefined }], [{ ...delivered, status: 'a b\u0000' }]])(
    'that cannot be read is put aside: %#',
    (odd) => {
      expect(read(odd)).toMatchObject([{ kind: 'unreadable' }])
    },
  )
})
