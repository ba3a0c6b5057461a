import type { MediaEvent } from './events.ts'

type Announced = Extract<MediaEvent, { type: 'MediaAnnounced' }>
type Stored = Extract<MediaEvent, { type: 'MediaStored' }>

/** A file as it lies in the media store. */
export type StoredFile = Pick<Stored, 'storageKey' | 'mimeType' | 'size' | 'sha256' | 'thumbnailKey' | 'thumbnailSize' | 'voice'>

/** A copy at the provider. */
export type Handed = { readonly channelId: string; readonly form: 'file' | 'voice'; readonly providerId: string; readonly until: string }

/**
 * A customer's file: none → pending → stored | expired | failed. A file of ours: none → stored. Any → erased, which is the end.
 * `expired` and `failed` are left only by the file itself: when a later try brings it after all, it is stored.
 */
export type Media = {
  readonly state: 'none' | 'pending' | 'stored' | 'expired' | 'failed' | 'erased'
  readonly announced?: Omit<Announced, 'type'>
  readonly file?: StoredFile
  /** Of the latest try that failed. */
  readonly failure?: string
  readonly handed: readonly Handed[]
}

export const initial: Media = { state: 'none', handed: [] }

export function evolve(state: Media, event: MediaEvent): Media {
  switch (event.type) {
    case 'MediaAnnounced': {
      const { type: _type, ...announced } = event
      return { ...state, state: 'pending', announced }
    }
    case 'MediaStored': {
      const { type: _type, filename: _filename, width: _width, height: _height, ...file } = event
      return { ...state, state: 'stored', file }
    }
    case 'MediaFetchFailed':
      return { ...state, state: event.final ? 'failed' : state.state, failure: event.reason }
    case 'MediaExpired':
      return { ...state, state: 'expired' }
    case 'MediaHandedToProvider': {
      const { channelId, providerId, until, form = 'file' } = event
      const others = state.handed.filter((one) => one.channelId !== channelId || one.form !== form)
      return { ...state, handed: [...others, { channelId, form, providerId, until }] }
    }
    case 'MediaForgottenByProvider':
      return { ...state, handed: state.handed.filter((one) => one.channelId !== event.channelId || one.providerId !== event.providerId) }
    case 'MediaErased': {
      const { file: _file, ...rest } = state
      return { ...rest, state: 'erased', handed: [] }
    }
    default:
      return event satisfies never
  }
}
