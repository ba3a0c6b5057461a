import { describe, expect, it } from 'vitest'
import type { MediaEvent } from './events.ts'
import { handedCopy, media, mediaIdOf, type Announce, type Store } from './media.ts'
import { unfitFor, unfitForUpload } from './rules.ts'

const noon = new Date('2026-11-22T12:00:00.000Z')
const announce: Announce = {
  type: 'announce',
  messageId: 'm',
  conversationId: 'c',
  channelId: 'ch',
  contactId: 'ana',
  providerId: '9001',
  kind: 'image',
  announcedAt: noon.toISOString(),
}
const store: Store = { type: 'store', storageKey: 'k', mimeType: 'image/jpeg', size: 3, sha256: 'aa', filename: 'house.jpg' }
const given = (...events: MediaEvent[]) => events.reduce(media.evolve, media.initial)
const after = (...commands: Parameters<typeof media.decide>[0][]) =>
  commands.reduce((state, command) => {
    const decision = media.decide(command, state)
    return 'events' in decision ? decision.events.reduce(media.evolve, state) : state
  }, media.initial)

describe('a file', () => {
  it('is announced once, however often its message is read', () => {
    expect(media.decide(announce, given())).toMatchObject({ events: [{ type: 'MediaAnnounced', contactId: 'ana' }] })
    expect(media.decide(announce, after(announce))).toEqual({ events: [] })
  })
  it('of a customer is sealed under the key of the customer, one of ours under its own', () => {
    expect(media.subject('id', after(announce))).toBe('ana')
    expect(media.subject('id', after(store))).toBe('media:id')
  })
  it('is stored once: the same bytes change nothing, others are refused', () => {
    expect(media.decide(store, after(announce))).toMatchObject({ events: [{ type: 'MediaStored', filename: { plain: 'house.jpg' } }] })
    expect(media.decide(store, after(announce, store))).toEqual({ events: [] })
    expect(media.decide({ ...store, sha256: 'bb' }, after(store))).toEqual({ refused: 'media_differs' })
  })
  it('that fails in the same way again is no news, the last failure is', () => {
    const failed = after(announce, { type: 'recordFailure', reason: 'provider_unreachable', final: false })
    expect(failed.state).toBe('pending')
    expect(media.decide({ type: 'recordFailure', reason: 'provider_unreachable', final: false }, failed)).toEqual({ events: [] })
    expect(after(announce, { type: 'recordFailure', reason: 'too_large', final: true }).state).toBe('failed')
  })
  it('that the provider has forgotten is expired, unless it was fetched before', () => {
    expect(after(announce, { type: 'expire' }).state).toBe('expired')
    expect(media.decide({ type: 'expire' }, after(announce, store))).toEqual({ events: [] })
  })
  it('that comes after all is stored after all', () => {
    expect(after(announce, { type: 'expire' }, store).state).toBe('stored')
  })
  it('once erased stays so', () => {
    const erased = after(announce, store, { type: 'erase' })
    expect(erased).toMatchObject({ state: 'erased', handed: [] })
    expect(erased.file).toBeUndefined()
    expect(media.decide(store, erased)).toEqual({ refused: 'media_erased' })
  })
  it('has an id that follows from its message and tenant', () => {
    expect(mediaIdOf('t', 'm')).toBe(mediaIdOf('t', 'm'))
    expect(mediaIdOf('t', 'm')).not.toBe(mediaIdOf('u', 'm'))
  })
})

describe('a copy at the provider', () => {
  const handOver = (channelId: string, providerId: string, until: string, form?: 'voice') =>
    ({ type: 'handOver', channelId, providerId, until, ...(form === undefined ? {} : { form }) }) as const
  const december = '2026-12-22T12:00:00.000Z'
  it('is used again for its own channel and form until it ends', () => {
    const handed = after(store, handOver('ch', '1', december), handOver('ch', '2', december, 'voice'))
    expect(handedCopy(handed, 'ch', 'file', noon)).toBe('1')
    expect(handedCopy(handed, 'ch', 'voice', noon)).toBe('2')
    expect(handedCopy(handed, 'other', 'file', noon)).toBeUndefined()
    expect(handedCopy(handed, 'ch', 'file', new Date('2026-12-22T11:30:00Z'))).toBeUndefined()
  })
  it('is replaced by the next one', () => {
    expect(handedCopy(after(store, handOver('ch', '1', december), handOver('ch', '3', december)), 'ch', 'file', noon)).toBe('3')
  })
  it('that the provider no longer knows is not used again', () => {
    const handed = after(store, handOver('ch', '1', december), { type: 'forget', channelId: 'ch', providerId: '1' })
    expect(handedCopy(handed, 'ch', 'file', noon)).toBeUndefined()
    expect(media.decide({ type: 'forget', channelId: 'ch', providerId: '1' }, handed)).toEqual({ events: [] })
  })
  it('of a file that is not there is refused', () => {
    expect(media.decide(handOver('ch', '1', december), after(announce))).toEqual({ refused: 'media_not_stored' })
  })
})

describe("WhatsApp's rules for files", () => {
  const MB = 1024 * 1024
  it.each([
    ['image', 'image/jpeg', 5 * MB, undefined],
    ['image', 'image/jpeg', 5 * MB + 1, 'media_size'],
    ['image', 'image/webp', 1000, 'media_type'],
    ['sticker', 'image/webp', 500 * 1024, undefined],
    ['sticker', 'image/webp', 500 * 1024 + 1, 'media_size'],
    ['audio', 'audio/ogg; codecs=opus', 16 * MB, undefined],
    ['video', 'video/mp4', 16 * MB + 1, 'media_size'],
    ['document', 'application/pdf', 100 * MB, undefined],
    ['document', 'image/png', 20 * MB, undefined],
    ['document', 'application/x-msdownload', 10, 'media_type'],
  ] as const)('%s of %s with %d bytes: %s', (kind, mimeType, size, code) => {
    expect(unfitFor(kind, { mimeType, size })?.code).toBe(code)
  })
  it('let a browser recording in only where something can convert it', () => {
    const recording = { mimeType: 'audio/webm', size: 1000 }
    expect(unfitForUpload(recording, true)).toBeUndefined()
    expect(unfitForUpload(recording, false)?.code).toBe('media_type')
  })
})
