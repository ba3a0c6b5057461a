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

const untouched = {
  reactions: null,
  editedAt: null,
  editType: null,
  editContent: null,
  editContactId: null,
  editEventId: null,
  revokedAt: null,
  changedVersion: null,
}

const picture: MessageView = {
  ...untouched,
  id: 'm1',
  conversationId: 'v1',
  channelId: 'ch',
  contactId: 'co',
  direction: 'inbound',
  origin: null,
  reactsTo: null,
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
  pricing: null,
  threadAt: noon,
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
  it('says what it was edited to, and keeps its file', async () => {
    const edit = { editedAt: noon, editType: 'image', editContent: 'S3', editContactId: 'co', editEventId: 'e9' }
    const open = opener({ 'co/e1/content/S1': '{"image":{"id":"9001","caption":"old"}}', 'co/e9/content/S3': '{"image":{"caption":"new"}}' })
    const rendered = await renderMessage('t', { ...picture, ...edit, raw: 'never opened' }, open)
    expect(rendered).toMatchObject({ content: { image: { id: '9001', caption: 'new' } }, edited_at: noon.toISOString(), media: { id: '9001' } })
    expect(rendered).not.toHaveProperty('raw')
  })
  it('that was revoked keeps its place, and nothing of it is even opened', async () => {
    const rendered = await renderMessage('t', { ...picture, raw: 'S2', revokedAt: noon }, opener({}))
    expect(rendered).toMatchObject({ id: 'm1', type: 'image', content: null, revoked_at: noon.toISOString() })
    for (const gone of ['raw', 'media', 'erased']) expect(rendered).not.toHaveProperty(gone)
  })
  it('bears the reactions that stand on it', async () => {
    const at = noon.toISOString()
    const seal = (text: string, field: 'emoji' | 'content') => ({ text, contactId: 'co', eventId: 'er', field })
    const reactions = [
      { side: 'co', by: { kind: 'contact', id: 'co' }, at, providerId: 'wamid.R', seal: seal('S4', 'emoji') },
      { side: 'us', by: { kind: 'user', id: 'ana' }, at, providerId: 'm9', seal: seal('S5', 'content') },
      { side: 'c2', by: { kind: 'contact', id: 'c2' }, at, providerId: 'wamid.Q' },
    ] as const
    const texts = {
      'co/e1/content/S1': '{"image":{}}',
      'co/er/emoji/S4': '👍',
      'co/er/content/S5': '{"reaction":{"message_id":"wamid.IN","emoji":"❤️"}}',
    }
    expect((await renderMessage('t', { ...picture, reactions }, opener(texts))).reactions).toEqual([
      { emoji: '👍', by: { kind: 'contact', id: 'co' }, at },
      { emoji: '❤️', by: { kind: 'user', id: 'ana' }, at },
    ])
    const takenBack = { ...texts, 'co/er/content/S5': '{"reaction":{"message_id":"wamid.IN","emoji":""}}' }
    expect((await renderMessage('t', { ...picture, reactions }, opener(takenBack))).reactions).toHaveLength(1)
  })
  it('that cannot be opened for another reason than erasure is an error, not a blank', async () => {
    await expect(renderMessage('t', picture, opener({}))).rejects.toThrow('not sealed for')
  })
})

describe('a conversation as clients see it', () => {
  const row: ConversationView = {
    ...untouched,
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
    lastMessageProviderId: 'wamid.IN',
    lastMessageDirection: 'inbound',
    lastMessageType: 'text',
    lastMessageStatus: 'received',
    lastMessageContent: 'S1',
    lastMessageEventId: 'e1',
    lastMessageAt: noon,
    lastInboundAt: noon,
    windowExpiresAt: noon,
    entryPointAt: null,
    entryPointExpiresAt: null,
    lastActivityAt: noon,
    createdAt: noon,
    updatedAt: noon,
    changedHour: 0,
    version: 3,
  }
  it('names the contact with its phone and previews the last message', async () => {
    const open = opener({ 'co/en/name/SN': 'Ana', 'co/ew/value/SW': '34600111222', 'co/e1/content/S1': '{"text":{"body":"Hola"}}' })
    expect(await renderConversation('t', row, open)).toMatchObject({
      contact: { id: 'co', name: 'Ana', phone: '+34600111222', wa_id: '34600111222' },
      last_message: { preview: 'Hola' },
    })
  })
  it('shows no word of a last message that was revoked, and the new words of an edited one', async () => {
    const names = { 'co/en/name/SN': 'Ana', 'co/ew/value/SW': '34600111222' }
    const revoked = await renderConversation('t', { ...row, revokedAt: noon }, opener(names))
    expect(revoked.last_message).toMatchObject({ id: 'm1', preview: '🚫 deleted' })
    const edit = { editedAt: noon, editType: 'text', editContent: 'S3', editContactId: 'co', editEventId: 'e9' }
    const texts = { ...names, 'co/e1/content/S1': '{"text":{"body":"Hola"}}', 'co/e9/content/S3': '{"text":{"body":"Adiós"}}' }
    expect((await renderConversation('t', { ...row, ...edit }, opener(texts))).last_message).toMatchObject({ preview: 'Adiós' })
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
