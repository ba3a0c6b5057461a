import { describe, expect, it } from 'vitest'
import { recordedLog } from '../../../tests/support/recorded.ts'
import type { DomainEvent } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { streamRef, type StreamRef } from '../../domain/kernel/stream.ts'
import type { SealContext } from '../../domain/kernel/vault.ts'
import { createRevealer } from './reveal.ts'

const tenantId = '0197c0de-0000-7000-8000-000000000001'
const conversation = streamRef('conversation', tenantId, 'c1')

/** A log of these events, and what was asked of the keys; whoever is `gone` was erased. */
function given(happened: readonly (readonly [StreamRef, DomainEvent])[], gone: readonly string[] = []) {
  const events = recordedLog(happened)
  const asked: SealContext[] = []
  const reveal = createRevealer({
    log: {
      async *readStream(stream, { upTo = Infinity } = {}): AsyncGenerator<RecordedEvent> {
        yield* events.filter((one) => one.stream.id === stream.id && one.version <= upTo)
      },
    },
    open: async (context, sealed) => {
      asked.push(context)
      return gone.includes(context.subject) ? null : Buffer.from(sealed, 'base64').toString()
    },
  })
  return { events, asked, reveal }
}
const sealed = (text: string): { sealed: string } => ({ sealed: Buffer.from(text).toString('base64') })
const started: DomainEvent = { type: 'ConversationStarted', channelId: 'ch', contactId: 'carla', by: 'inbound' }
const reacted: DomainEvent = {
  type: 'MessageReacted',
  channelId: 'ch',
  contactId: 'carla',
  targetId: 't',
  providerId: 'p',
  by: { kind: 'contact' },
  emoji: sealed('[1]'),
  at: '2026-01-01T12:00:00.000Z',
}
const resolved: DomainEvent = { type: 'SendResolved', messageId: 'm', as: 'sent', by: 'person', note: sealed('Carla called') }

describe('events with their personal fields opened', () => {
  it('are opened with the key of the person of the conversation, also where only its beginning names them', async () => {
    const { events, asked, reveal } = given([
      [conversation, started],
      [conversation, resolved],
    ])
    expect((await reveal(events[1] as RecordedEvent)).data['note']).toBe('Carla called')
    expect(asked).toEqual([{ tenantId, subject: 'carla', eventId: events[1]?.id, field: 'note' }])
  })
  it('show text as text, whatever it looks like', async () => {
    const { events, reveal } = given([[conversation, reacted]])
    expect((await reveal(events[0] as RecordedEvent)).data['emoji']).toBe('[1]')
  })
  it('say that it was erased where the key was destroyed', async () => {
    const { events, reveal } = given([[conversation, reacted]], ['carla'])
    expect((await reveal(events[0] as RecordedEvent)).data['emoji']).toEqual({ erased: true })
  })
  it('keep what opens a channel as it is', async () => {
    const credentials: DomainEvent = { type: 'ChannelCredentialsChanged', accessToken: sealed('EAAG') }
    const { events, asked, reveal } = given([[streamRef('channel', tenantId, 'ch'), credentials]])
    expect((await reveal(events[0] as RecordedEvent)).data['accessToken']).toEqual(sealed('EAAG'))
    expect(asked).toEqual([])
  })
})
