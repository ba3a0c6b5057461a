import { describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import type { Category } from '../../domain/kernel/stream.ts'
import { feedTypes } from './frames.ts'
import { asyncApiDocument } from './asyncapi.ts'
import { touch } from './touch.ts'

const recorded = (category: Category, type: string, data: Record<string, unknown> = {}): RecordedEvent => ({
  id: 'e1',
  type,
  schemaVersion: 1,
  data,
  meta: { occurredAt: '2026-01-01T12:00:00.000Z', correlationId: 'c', causationId: 'c', actor: { kind: 'process', id: 'p' } },
  stream: { tenantId: 't', category, id: 's1' },
  version: 4,
  position: positionOf(9),
  recordedAt: new Date('2026-01-01T12:00:01.000Z'),
})

describe('what an event means for the feed', () => {
  it('is the message, and before it the conversation that it changed', () => {
    expect(touch(recorded('conversation', 'MessageReceived', { messageId: 'm1' }))).toEqual({
      kind: 'message',
      type: 'message.received',
      id: 'm1',
      conversationId: 's1',
      before: 'conversation.updated',
    })
  })
  it.each([
    ['SendAttempted', {}, 'sending'],
    ['SendAccepted', { providerId: 'wamid.O' }, 'sent'],
    ['SendDeferred', { error: { code: 'x', title: 'X', retryable: true } }, 'queued'],
    ['SendRetried', {}, 'queued'],
    ['SendFailed', { error: { code: 'x', title: 'X', retryable: false } }, 'failed'],
    ['SendOutcomeUnknown', { reason: 'time-out' }, 'unknown'],
    ['MessageStatusChanged', { status: 'delivered', providerId: 'wamid.O', at: '2026-01-01T11:59:00.000Z' }, 'delivered'],
  ])('is a step of a message for %s', (type, data, status) => {
    expect(touch(recorded('conversation', type, { messageId: 'm1', ...data }))).toMatchObject({
      type: 'message.status',
      data: {
        id: 'm1',
        conversation_id: 's1',
        status,
        at: type === 'MessageStatusChanged' ? '2026-01-01T11:59:00.000Z' : '2026-01-01T12:00:00.000Z',
      },
    })
  })
  const parties = { channelId: 'ch', contactId: 'co' }
  it.each([
    [
      'MessageReacted',
      { by: { kind: 'contact' }, emoji: { sealed: 'S' } },
      'message.reaction',
      { kind: 'reaction', by: { kind: 'contact', id: 'co' } },
    ],
    ['MessageReacted', { by: { kind: 'phone' } }, 'message.reaction', { kind: 'reaction', by: { kind: 'phone' } }],
    ['MessageEdited', { messageType: 'text', content: { sealed: 'S' } }, 'message.edited', { kind: 'edit' }],
    ['MessageRevoked', {}, 'message.revoked', { kind: 'revoke' }],
  ])('is a change of the message that it names for %s', (eventType, data, type, body) => {
    const at = '2026-01-01T11:59:00.000Z'
    expect(touch(recorded('conversation', eventType, { ...parties, targetId: 'wamid.T', providerId: 'wamid.R', at, ...data }))).toMatchObject({
      kind: 'change',
      type,
      conversationId: 's1',
      change: { target: { channelId: 'ch', providerId: 'wamid.T' }, body: { ...body, at } },
    })
  })
  it('is a reaction on its target, and no message, for a reaction that we send', () => {
    const sent = { ...parties, messageId: 'm9', sentBy: { kind: 'user', id: 'ana' }, content: { sealed: 'S' }, reactsTo: 'wamid.T' }
    expect(touch(recorded('conversation', 'MessageQueued', sent))).toMatchObject({
      kind: 'change',
      type: 'message.reaction',
      change: { target: { providerId: 'wamid.T' }, body: { by: { kind: 'user', id: 'ana' } } },
    })
  })
  it('is a message for an echo of the phone, and only a moved conversation for history', () => {
    const echo = { ...parties, messageId: 'm1', origin: 'phone', direction: 'outbound' }
    expect(touch(recorded('conversation', 'MessageRecorded', echo))).toMatchObject({ kind: 'message', type: 'message.queued', id: 'm1' })
    expect(touch(recorded('conversation', 'MessageRecorded', { ...echo, direction: 'inbound' }))).toMatchObject({ type: 'message.received' })
    expect(touch(recorded('conversation', 'MessageRecorded', { ...echo, origin: 'history' }))).toEqual({
      kind: 'conversation',
      type: 'conversation.updated',
      id: 's1',
    })
  })
  it('is nothing for secrets, pointers, keys and deliveries', () => {
    for (const [category, type] of [
      ['channel', 'ChannelCredentialsChanged'],
      ['contact', 'ContactAliased'],
      ['tenant', 'ApiKeyIssued'],
      ['delivery', 'WebhookReceived'],
      ['claim', 'Claimed'],
    ] as const) {
      expect(touch(recorded(category, type))).toBeUndefined()
    }
  })
})

describe('asyncapi.json', () => {
  it('describes every frame, and every reference in it leads somewhere', () => {
    const document = asyncApiDocument('1')
    const names = Object.keys((document['components'] as { messages: object }).messages)
    expect(names).toEqual(['auth', 'hello', 'resync', 'error', ...feedTypes])
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#([^"]+)"/g)].map(([, path]) => String(path))
    expect(references.length).toBeGreaterThan(names.length)
    for (const path of references) {
      const found = path
        .split('/')
        .slice(1)
        .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document)
      expect({ path, found: found !== undefined }).toEqual({ path, found: true })
    }
  })
})
