import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operatorKey, startOffice, type Office } from '../../../tests/support/office.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import type { NewEvent } from '../../domain/kernel/envelope.ts'
import { streamRef } from '../../domain/kernel/stream.ts'

let office: Office
beforeAll(async () => {
  office = await startOffice()
})
afterAll(() => office.stop())

/** What the sender would have recorded, at a moment. */
async function happened(tenantId: string, events: readonly ConversationEvent[], at: Date): Promise<string> {
  const stream = streamRef('conversation', tenantId, randomUUID())
  const meta = { occurredAt: at.toISOString(), correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'test' } } as const
  const stored = events.map(({ type, ...data }): NewEvent => ({ id: randomUUID(), type, schemaVersion: 1, data, meta }))
  const outcome = await office.store.append({ stream, expected: 0, events: stored })
  if (!('position' in outcome)) throw new Error('not appended')
  return outcome.position
}
const attempt: ConversationEvent = { type: 'SendAttempted', messageId: 'm', attempt: 1 }
const accepted: ConversationEvent = { type: 'SendAccepted', messageId: 'm', attempt: 1, providerId: 'wamid.1' }
const failed: ConversationEvent = { type: 'SendFailed', messageId: 'm', attempt: 1, error: { code: 'provider_100', title: 'No', retryable: false } }

describe('the figures of the plan', () => {
  it('are those of today and of the own organisation', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    await office.call(a.key, 'POST', '/v1/channels', {
      kind: 'business',
      name: 'S',
      phone_number_id: '77',
      waba_id: '1',
      access_token: 'EAAG-good-token',
    })
    const yesterday = new Date(Date.now() - 24 * 3_600_000)
    await happened(a.id, [attempt, accepted], yesterday)
    const position = await happened(a.id, [attempt, accepted, attempt, accepted, attempt, accepted, attempt, failed], new Date())
    const after = { 'x-read-after': position }
    const day = new Date().toISOString().slice(0, 10)
    expect((await office.call(a.key, 'GET', '/api/whatsapp/metrics', undefined, after)).json).toEqual({
      day,
      channels: { total: 1, connected: 1, degraded: 0, disconnected: 0 },
      messages: { received_today: 0, queued_today: 0, sent_today: 3, failed_today: 1, unknown_today: 0 },
      api_calls_today: 4,
      error_rate: 0.25,
    })
    const others = await office.call(b.key, 'GET', '/api/whatsapp/metrics', undefined, after)
    expect(others.json).toMatchObject({ channels: { total: 0 }, messages: { sent_today: 0 }, error_rate: null })
    expect(others.text).not.toContain('active_tenants')
    const operator = await office.call(operatorKey, 'GET', '/api/whatsapp/metrics', undefined, after)
    expect(operator.json).toMatchObject({ channels: { total: 1 }, messages: { sent_today: 3, failed_today: 1 }, active_tenants: 2 })
    const named = await office.call(operatorKey, 'GET', '/api/whatsapp/metrics', undefined, { ...after, 'x-tenant': b.slug })
    expect(named.json).toMatchObject({ messages: { sent_today: 0 }, active_tenants: 2 })
  })
})
