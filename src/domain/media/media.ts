import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import { plain } from '../kernel/secret.ts'
import type { MediaEvent } from './events.ts'
import { evolve, initial, type Media } from './state.ts'

export type { Media } from './state.ts'

type EventOf<Type extends MediaEvent['type']> = Omit<Extract<MediaEvent, { type: Type }>, 'type'>

/** A customer sent a file: it has to be fetched. */
export type Announce = { type: 'announce' } & EventOf<'MediaAnnounced'>
/** The file is in the media store, checked. */
export type Store = { type: 'store'; filename?: string } & Omit<EventOf<'MediaStored'>, 'filename'>
export type RecordFailure = { type: 'recordFailure'; reason: string; final: boolean }
export type Expire = { type: 'expire' }
export type HandOver = { type: 'handOver' } & EventOf<'MediaHandedToProvider'>
export type Forget = { type: 'forget'; channelId: string; providerId: string }
export type Erase = { type: 'erase' }
export type MediaCommand = Announce | Store | RecordFailure | Expire | HandOver | Forget | Erase

export type MediaRefusal = 'media_differs' | 'media_erased' | 'media_not_stored'

function decide(command: MediaCommand, media: Media): Decision<MediaEvent, MediaRefusal> {
  switch (command.type) {
    case 'announce': {
      const { type: _type, ...announced } = command
      return media.state === 'none' ? happened({ type: 'MediaAnnounced', ...announced }) : nothing
    }
    case 'store':
      return store(command, media)
    case 'recordFailure':
      // A try that fails like the one before is no news.
      if (media.state !== 'pending' || (!command.final && media.failure === command.reason)) return nothing
      return happened({ type: 'MediaFetchFailed', reason: command.reason, final: command.final })
    case 'expire':
      return media.state === 'pending' ? happened({ type: 'MediaExpired' }) : nothing
    case 'handOver': {
      const { type: _type, ...handed } = command
      return media.state === 'stored' ? happened({ type: 'MediaHandedToProvider', ...handed }) : refuse('media_not_stored')
    }
    case 'forget': {
      const { channelId, providerId } = command
      const known = media.handed.some((one) => one.channelId === channelId && one.providerId === providerId)
      return known ? happened({ type: 'MediaForgottenByProvider', channelId, providerId }) : nothing
    }
    case 'erase':
      return media.state === 'none' || media.state === 'erased' ? nothing : happened({ type: 'MediaErased' })
    default:
      return command satisfies never
  }
}

/** Once: the file that is there stays. Another file under the same id is refused, the same one changes nothing. */
function store({ type: _type, filename, ...file }: Store, media: Media): Decision<MediaEvent, MediaRefusal> {
  if (media.state === 'erased') return refuse('media_erased')
  if (media.file !== undefined) return media.file.sha256 === file.sha256 ? nothing : refuse('media_differs')
  return happened({ type: 'MediaStored', ...file, ...(filename === undefined ? {} : { filename: plain(filename) }) })
}

export const media: Aggregate<MediaCommand, MediaEvent, Media, MediaRefusal> = {
  category: 'media',
  // Whoever erases a customer erases the customer's files; a file of ours has a key of its own.
  subject: (id, { announced }) => subjectOf(id, announced?.contactId),
  initial,
  evolve,
  decide,
}

/** Whose key seals a file and its name. */
export const subjectOf = (mediaId: string, contactId: string | null | undefined): string => contactId ?? `media:${mediaId}`

/** The id of a message's file derives from the message: who has one has the other, and a repeat finds the same file. */
export const mediaIdOf = (tenantId: string, messageId: string): string => derivedId('media', tenantId, messageId)

const day = 86_400_000

/** How long the provider keeps a customer's file, and how long one that was uploaded to it. */
export const inboundLifeMs = 7 * day
export const uploadLifeMs = 30 * day

/** The copy that a channel may still send, or undefined. An hour before its end it counts as gone: a message may wait for its turn. */
export const handedCopy = (media: Media, channelId: string, form: 'file' | 'voice', now: Date): string | undefined =>
  media.handed.find((one) => one.channelId === channelId && one.form === form && Date.parse(one.until) - 3_600_000 > now.getTime())?.providerId
