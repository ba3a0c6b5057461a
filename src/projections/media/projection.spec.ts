import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import { recordedAt, recordedLog } from '../../../tests/support/recorded.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { MediaEvent } from '../../domain/media/events.ts'
import { media } from './projection.ts'

const stream = streamRef('media', '0197c0de-0000-7000-8000-000000000001', 'file-1')
const announced: MediaEvent = {
  type: 'MediaAnnounced',
  messageId: 'm',
  conversationId: 'c',
  channelId: 'ch',
  contactId: 'ana',
  providerId: '9001',
  kind: 'image',
  mimeType: 'image/jpeg',
  announcedAt: '2026-11-22T12:00:00.000Z',
}
const stored: MediaEvent = {
  type: 'MediaStored',
  storageKey: 't/f/file',
  mimeType: 'image/png',
  size: 7,
  sha256: 'aa',
  filename: { sealed: 'c2VhbGVk' },
  thumbnailKey: 't/f/thumbnail',
  thumbnailSize: 3,
  width: 4,
  height: 2,
}
const rows = (...events: MediaEvent[]) =>
  rowsAfter(
    media,
    events.map((event) => [stream, event]),
  )

describe('the files', () => {
  it('are pending from their announcement, with the reason of the last failure', () => {
    expect(rows(announced, { type: 'MediaFetchFailed', reason: 'provider_190', final: false })).toMatchObject([
      {
        id: 'file-1',
        messageId: 'm',
        contactId: 'ana',
        state: 'pending',
        mimeType: 'image/jpeg',
        failure: 'provider_190',
        createdAt: recordedAt(1),
        version: 2,
      },
    ])
  })
  it('when stored are what they were found to be, and their name stays sealed for its event', () => {
    const log = recordedLog([announced, stored].map((event) => [stream, event]))
    expect(rows(announced, stored)).toMatchObject([
      {
        state: 'stored',
        mimeType: 'image/png',
        size: '7',
        filename: 'c2VhbGVk',
        filenameEventId: log[1]?.id,
        thumbnailSize: 3,
        width: 4,
        failure: null,
      },
    ])
  })
  it('of ours need no announcement', () => {
    expect(rows(stored)).toMatchObject([{ id: 'file-1', state: 'stored', contactId: null, messageId: null }])
  })
  it('that are gone say so', () => {
    expect(rows(announced, { type: 'MediaExpired' })).toMatchObject([{ state: 'expired' }])
    expect(rows(announced, { type: 'MediaFetchFailed', reason: 'too_large', final: true })).toMatchObject([{ state: 'failed', failure: 'too_large' }])
  })
  it('once erased leave nothing of themselves', () => {
    expect(rows(announced, stored, { type: 'MediaErased' })).toMatchObject([
      { state: 'erased', messageId: 'm', storageKey: null, filename: null, sha256: null, mimeType: null, size: null, thumbnailKey: null },
    ])
  })
})
