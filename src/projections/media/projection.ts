import type { EventType } from '../../domain/catalogue.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// Files: one row each, by the id that derives from their message (see `mediaIdOf`), or that the upload was given.
// Invariant: `state` is stored exactly when `storageKey` is set; a row of a customer's file exists from its first try on, until then its message says "pending".

export type MediaState = 'pending' | 'stored' | 'expired' | 'failed' | 'erased'

export type MediaRow = {
  readonly id: string
  readonly messageId: string | null
  readonly conversationId: string | null
  /** Whose key seals the file and its name; null for a file of ours, which has its own. */
  readonly contactId: string | null
  readonly state: string
  readonly mimeType: string | null
  readonly size: string | null
  readonly sha256: string | null
  /** Sealed for (subjectOf, filenameEventId, `filename`). */
  readonly filename: string | null
  readonly filenameEventId: string | null
  readonly storageKey: string | null
  readonly thumbnailKey: string | null
  readonly thumbnailSize: number | null
  readonly width: number | null
  readonly height: number | null
  readonly voice: boolean
  /** Of the last try that failed. */
  readonly failure: string | null
  readonly createdAt: Date
  readonly version: number
}

const handles = ['MediaAnnounced', 'MediaStored', 'MediaFetchFailed', 'MediaExpired', 'MediaErased'] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const media: Projection<MediaRow, Handled> = {
  name: 'media',
  version: 2,
  handles,
  table: {
    columns: {
      id: 'text',
      messageId: 'text',
      conversationId: 'text',
      contactId: 'text',
      state: 'text',
      mimeType: 'text',
      size: 'int8',
      sha256: 'text',
      filename: 'text',
      filenameEventId: 'uuid',
      storageKey: 'text',
      thumbnailKey: 'text',
      thumbnailSize: 'int4',
      width: 'int4',
      height: 'int4',
      voice: 'bool',
      failure: 'text',
      createdAt: 'timestamptz',
      version: 'int4',
    },
    // For the files of a person who is erased.
    indexes: [{ name: 'by_contact', on: 'contact_id' }],
  },
  home: 'media',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    const before = row ?? { ...nothing, id: at.stream.id, createdAt: at.recordedAt }
    const moved = { ...before, version: at.version }
    switch (event.type) {
      case 'MediaAnnounced': {
        const { messageId, conversationId, contactId } = event
        return { ...moved, messageId, conversationId, contactId, mimeType: event.mimeType ?? null }
      }
      case 'MediaStored': {
        const { storageKey, mimeType, sha256, filename, thumbnailKey, thumbnailSize, width, height, voice } = event
        const picture = { thumbnailKey: thumbnailKey ?? null, thumbnailSize: thumbnailSize ?? null, width: width ?? null, height: height ?? null }
        const named = filename === undefined ? { filename: null, filenameEventId: null } : { filename: sealedText(filename), filenameEventId: at.id }
        const file = { storageKey, mimeType, sha256, size: String(event.size), voice: voice === true }
        return { ...moved, state: 'stored', ...file, ...named, ...picture, failure: null }
      }
      case 'MediaFetchFailed':
        return { ...moved, state: event.final ? 'failed' : before.state, failure: event.reason }
      case 'MediaExpired':
        return { ...moved, state: 'expired' }
      case 'MediaErased': {
        const { id, messageId, conversationId, contactId, createdAt, version } = moved
        return { ...nothing, id, messageId, conversationId, contactId, createdAt, version, state: 'erased' }
      }
      default:
        return event satisfies never
    }
  },
}

const nothing = {
  messageId: null,
  conversationId: null,
  contactId: null,
  state: 'pending',
  mimeType: null,
  size: null,
  sha256: null,
  filename: null,
  filenameEventId: null,
  storageKey: null,
  thumbnailKey: null,
  thumbnailSize: null,
  width: null,
  height: null,
  voice: false,
  failure: null,
} as const satisfies Omit<MediaRow, 'id' | 'createdAt' | 'version'>
