import { describe, expect, it } from 'vitest'
import { renderConversation } from '../conversations/render.ts'
import type { ConversationView } from '../../projections/conversations/queries.ts'
import type { MessageView } from '../../projections/messages/queries.ts'
import type { Opener } from './opening.ts'
import { renderMessage } from './render.ts'

const noon = new Date('2026-01-01T12:00:00.000Z')
const erased: Opener = async () => null
/** Shows which seal was opened: what was sealed for one field must not be opened for another. */
const opener =
  (texts: Record<string, string>): Opener =>
  async ({ subject, eventId, field }, sealed) => {
    const text = texts[`${subject}/${eventId}/${field}/${sealed}`]
    if (text === undefined) throw new Error(`not sealed for ${subject}/${eventId}/${field}`)
    return text
  }

const picture: MessageView = {
  id: 'm1',
  conversationId: 'v1',
  channelId: 'ch',
  contactId: 'co',
  direction: 'inbound',
  type: 'image',
  providerId: 'wamid.IN',
  status: 'received',
  eventId: 'e1',
  content: 'S1',
  raw: null,
  replyTo: null,
  replyToId: null,
  sentBy: null,
  error: null,
  statusHistory: [{ status: 'received', at: noon.toISOString() }],
  occurredAt: noon,
  recordedAt: noon,
  position: '7',
  version: 2,
}

describe('a message as clients see it', () => {
  it('describes the file that came with it, which is not fetched yet', async () => {
    const text = JSON.stringify({ image: { id: '9001', mime_type: 'image/jpeg', sha256: 'aa', caption: 'La fachada' } })
    expect(await renderMessage('t', picture, opener({ 'co/e1/content/S1': text }))).toMatchObject({
      content: { image: { caption: 'La fachada' } },
      media: { id: '9001', mime_type: 'image/jpeg', sha256: 'aa', state: 'pending' },
      reactions: [],
    })
  })
  it('keeps its place without its words when the contact was erased', async () => {
    const rendered = await renderMessage('t', { ...picture, raw: 'S2' }, erased)
    expect(rendered).toMatchObject({ id: 'm1', type: 'image', content: null, erased: true })
    expect(rendered).not.toHaveProperty('raw')
    expect(rendered).not.toHaveProperty('media')
  })
  it('of an unknown type shows the object of the provider', async () => {
    const row = { ...picture, type: 'hologram', raw: 'S2' }
    const open = opener({ 'co/e1/content/S1': '{"hologram":{}}', 'co/e1/raw/S2': '{"type":"hologram","hologram":{"depth":3}}' })
    expect(await renderMessage('t', row, open)).toMatchObject({ type: 'hologram', raw: { hologram: { depth: 3 } } })
  })
  it('that cannot be opened for another reason than erasure is an error, not a blank', async () => {
    await expect(renderMessage('t', picture, opener({}))).rejects.toThrow('not sealed for')
  })
})

describe('a conversation as clients see it', () => {
  const row: ConversationView = {
    id: 'v1',
    channelId: 'ch',
    contactId: 'co',
    contactName: 'SN',
    contactNameEventId: 'en',
    contactIdentities: [{ kind: 'wa_id', index: 'i', sealed: 'SW', eventId: 'ew' }],
    status: 'open',
    snoozedUntil: null,
    unreadCount: 2,
    lastMessageId: 'm1',
    lastMessageDirection: 'inbound',
    lastMessageType: 'text',
    lastMessageStatus: 'received',
    lastMessageContent: 'S1',
    lastMessageEventId: 'e1',
    lastMessageAt: noon,
    lastInboundAt: noon,
    windowExpiresAt: noon,
    lastActivityAt: noon,
    createdAt: noon,
    updatedAt: noon,
    version: 3,
  }
  it('names the contact with its phone and previews the last message', async () => {
    const open = opener({ 'co/en/name/SN': 'Ana', 'co/ew/value/SW': '34600111222', 'co/e1/content/S1': '{"text":{"body":"Hola"}}' })
    expect(await renderConversation('t', row, open)).toMatchObject({
      contact: { id: 'co', name: 'Ana', phone: '+34600111222', wa_id: '34600111222' },
      last_message: { preview: 'Hola' },
    })
  })
  it('of an erased contact keeps its counts and says that nobody is there any more', async () => {
    const rendered = await renderConversation('t', row, erased)
    expect(rendered.contact).toEqual({ id: 'co', name: 'Erased contact', erased: true })
    expect(rendered).toMatchObject({ unread_count: 2, last_message: { id: 'm1', preview: '' } })
  })
  it('is shown also before its contact is, and before its first message', async () => {
    const bare = { ...row, contactName: null, contactNameEventId: null, contactIdentities: null, lastMessageId: null }
    const rendered = await renderConversation('t', bare, opener({}))
    expect(rendered.contact).toEqual({ id: 'co', name: 'Unknown' })
    expect(rendered).not.toHaveProperty('last_message')
  })
})
