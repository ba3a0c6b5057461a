import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import { inboundMessageId } from '../../domain/conversation/conversation.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { audit } from './projection.ts'

const tenantId = '0197c0de-0000-7000-8000-000000000001'
const conversation = streamRef('conversation', tenantId, 'c1')
const received: ConversationEvent = {
  type: 'MessageReceived',
  messageId: 'm1',
  channelId: 'ch',
  contactId: 'co',
  providerId: 'wamid.HBgLMzQ2MDAxMTEyMjI',
  messageType: 'text',
  content: { sealed: 'c2VhbGVk' },
  at: '2026-01-01T12:00:00.000Z',
}
const queued: ConversationEvent = {
  type: 'MessageQueued',
  messageId: 'm2',
  channelId: 'ch',
  contactId: 'co',
  messageType: 'text',
  content: { sealed: 'c2VhbGVk' },
  replyTo: { providerId: 'wamid.HBgLMzQ2MDAxMTEyMjI' },
  sentBy: { kind: 'api', id: 'k' },
  priority: 'agent',
}

describe('the rows of the audit trail', () => {
  it('are one per event, with who, what, about what and where it stands', () => {
    const [row] = rowsAfter(audit, [[conversation, received]])
    expect(row).toMatchObject({
      position: '1',
      action: 'message.received',
      noise: false,
      actorKind: 'process',
      actorId: 'test',
      entityType: 'conversation',
      entityId: 'c1',
      correlationId: 'correlation',
      causationId: 'cause',
      category: 'conversation',
      streamId: 'c1',
      version: 1,
      message: 'm1',
      answers: null,
    })
  })
  it('hold nothing that leads to a person: no text, sealed or not, and no id of the provider', () => {
    const rows = JSON.stringify(
      rowsAfter(audit, [
        [conversation, received],
        [conversation, queued],
      ]),
    )
    expect(rows).not.toMatch(/wamid|c2VhbGVk/)
  })
  it('know which message of the customer one of ours answers', () => {
    expect(rowsAfter(audit, [[conversation, queued]])[0]).toMatchObject({
      message: 'm2',
      answers: inboundMessageId(tenantId, 'ch', 'wamid.HBgLMzQ2MDAxMTEyMjI'),
    })
  })
  it('count the steps of our own work as noise', () => {
    expect(rowsAfter(audit, [[conversation, { type: 'SendAttempted', messageId: 'm2', attempt: 1 }]])[0]).toMatchObject({
      noise: true,
      message: null,
    })
  })
  it('are about the key where a key is issued, and about what was read where something was read', () => {
    const rows = rowsAfter(audit, [
      [streamRef('tenant', tenantId, tenantId), { type: 'ApiKeyIssued', keyId: 'k1', name: 'Desk', hash: 'h', hint: 'rk_…', scopes: ['*'] }],
      [
        streamRef('audit', tenantId, '2026-01-01'),
        { type: 'AccessRecorded', what: 'delivery_read', request: 'GET /v1/deliveries/{id}', entity: { type: 'delivery', id: 'd1' } },
      ],
    ])
    expect(rows).toMatchObject([
      { entityType: 'api_key', entityId: 'k1' },
      { entityType: 'delivery', entityId: 'd1', action: 'access.recorded' },
    ])
  })
})
