import { media, type Media } from '../../domain/media/media.ts'
import { isConvertible, unfitFor } from '../../domain/media/rules.ts'
import type { Commands } from '../kernel/execute.ts'
import { referencesIn, type Reference } from './references.ts'

export type MediaMistake = { readonly path: string; readonly code: string; readonly message: string }

/** What of a file of ours goes out: itself, or the voice note that is made of it. */
export function formOf({ kind, voice }: Pick<Reference, 'kind' | 'voice'>, file: NonNullable<Media['file']>): 'file' | 'voice' {
  return kind === 'audio' && ((voice && file.voice !== true) || isConvertible(file.mimeType)) ? 'voice' : 'file'
}

/** What is wrong with the files of ours that a message names, before it is queued; nothing when all of them can be sent so. */
export type CheckMedia = (tenantId: string, type: string, object: unknown) => Promise<readonly MediaMistake[]>

export function createCheckMedia({ commands, canConvert }: { commands: Pick<Commands, 'load'>; canConvert: () => Promise<boolean> }): CheckMedia {
  return async (tenantId, type, object) => {
    const mistakes = await Promise.all(referencesIn(type, object).map(async (reference) => mistakeOf(tenantId, reference)))
    return mistakes.filter((one) => one !== undefined)
  }

  async function mistakeOf(tenantId: string, reference: Reference): Promise<MediaMistake | undefined> {
    const { path, mediaId, kind } = reference
    const { state } = await commands.load(media, tenantId, mediaId)
    if (state.state === 'none') return { path, code: 'unknown_media', message: 'is no file of this organisation: upload it by POST /v1/media' }
    if (state.file === undefined) return { path, code: 'media_not_stored', message: `names a file that is not here (${state.state})` }
    if (formOf(reference, state.file) === 'file') {
      const unfit = unfitFor(kind, state.file)
      return unfit === undefined ? undefined : { path, ...unfit }
    }
    if (!state.file.mimeType.startsWith('audio/')) return { path, code: 'media_type', message: `A file of type ${state.file.mimeType} is no sound.` }
    if (await canConvert()) return undefined
    const message =
      'A voice note is Ogg with Opus in one channel (mono). This file is not, and ffmpeg, which could convert it, is not installed here.'
    return { path, code: 'voice_note_format', message }
  }
}
