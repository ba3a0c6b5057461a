import type { Clock } from '../../domain/kernel/clock.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import { handedCopy, media, subjectOf, uploadLifeMs, type Media, type MediaCommand } from '../../domain/media/media.ts'
import { unfitFor } from '../../domain/media/rules.ts'
import type { Commands } from '../kernel/execute.ts'
import type { CloudApiAccount } from '../ports/cloud-api.ts'
import type { MediaApi } from '../ports/media-api.ts'
import type { MediaStore } from '../ports/media-store.ts'
import type { VoiceConverter } from '../ports/voice-converter.ts'
import { formOf } from './check-media.ts'
import { isVoiceNote } from './inspect.ts'
import { referencesIn, withIds, type Reference } from './references.ts'
import { openSealed } from './sealed-file.ts'

/** `later`: what is in the way may pass (Meta out of reach, credentials to be mended). */
export type MediaFailure = { readonly failed: { readonly code: string; readonly title: string; readonly later: boolean } }
export type Resolved = { readonly object: unknown } | MediaFailure
type Form = 'file' | 'voice'
type Copy = { readonly providerId: string } | MediaFailure

export type ResolveMedia = {
  /** Files of ours in a message → Meta's ids of their copies, uploaded where there is none that still lives. Before the call, so that a failed upload is no unknown send. */
  readonly resolve: (
    account: CloudApiAccount,
    message: { tenantId: string; channelId: string; type: string; object: unknown },
    options?: {
      readonly signal?: AbortSignal
      /** From here on it waits for Meta's line and not for us. */
      readonly onUpload?: () => void
    },
  ) => Promise<Resolved>
  /** Meta does not know the copies any more: the next attempt uploads them again. Says whether there were any. */
  readonly forget: (message: { tenantId: string; channelId: string; type: string; object: unknown }) => Promise<boolean>
}

export type ResolveDeps = {
  readonly commands: Pick<Commands, 'load' | 'execute'>
  readonly vault: Vault
  readonly store: Pick<MediaStore, 'read'>
  readonly mediaApi: Pick<MediaApi, 'upload'>
  readonly converter: VoiceConverter
  readonly clock: Clock
}

const failed = (code: string, title: string, later = false): MediaFailure => ({ failed: { code, title, later } })

export function createResolveMedia({ commands, vault, store, mediaApi, converter, clock }: ResolveDeps): ResolveMedia {
  /** A campaign names one picture ten thousand times: it is uploaded once, and the others wait for that. */
  const uploading = new Map<string, Promise<Copy>>()

  const context = (tenantId: string, ...about: string[]): CommandContext => {
    const commandId = derivedId('hand over', ...about)
    return { tenantId, actor: { kind: 'process', id: 'sender' }, commandId, correlationId: commandId, causationId: commandId, at: clock() }
  }
  async function record(tenantId: string, mediaId: string, command: MediaCommand, ...about: string[]): Promise<void> {
    await commands.execute(media, mediaId, command, context(tenantId, mediaId, command.type, ...about))
  }

  async function copyOf(
    account: CloudApiAccount,
    { tenantId, channelId, reference }: { tenantId: string; channelId: string; reference: Reference },
    { signal, onUpload }: NonNullable<Parameters<ResolveMedia['resolve']>[2]>,
  ): Promise<Copy> {
    const { state } = await commands.load(media, tenantId, reference.mediaId)
    if (state.file === undefined) return failed('media_not_stored', 'The file of the message is not here')
    const form = formOf(reference, state.file)
    const known = handedCopy(state, channelId, form, clock())
    if (known !== undefined) return { providerId: known }
    if (form === 'file') {
      const unfit = unfitFor(reference.kind, state.file)
      if (unfit !== undefined) return failed(unfit.code, unfit.message)
    }
    onUpload?.()
    const key = `${tenantId} ${channelId} ${reference.mediaId} ${form}`
    const underWay = uploading.get(key)
    if (underWay !== undefined) return underWay
    const copy = handOver(account, { tenantId, channelId, mediaId: reference.mediaId, form }, state, signal)
    uploading.set(key, copy)
    try {
      return await copy
    } finally {
      uploading.delete(key)
    }
  }

  async function handOver(
    account: CloudApiAccount,
    { tenantId, channelId, mediaId, form }: { tenantId: string; channelId: string; mediaId: string; form: Form },
    state: Media,
    signal?: AbortSignal,
  ): Promise<Copy> {
    const content = await contentOf(tenantId, mediaId, form, state, signal)
    if ('failed' in content) return content
    const answer = await mediaApi.upload(account, content, signal)
    if ('unreachable' in answer) return failed('provider_unreachable', 'Meta could not be reached to upload the file', true)
    if ('error' in answer) {
      const { code, status, message } = answer.error
      // 100 is Meta's verdict on the file; anything else is about tokens, limits or Meta itself, and may pass.
      return failed(`provider_${code}`, `Meta did not take the file: ${message}`, code !== 100 && status !== 413)
    }
    const until = new Date(clock().getTime() + uploadLifeMs).toISOString()
    const more = form === 'voice' ? { form } : {}
    await record(tenantId, mediaId, { type: 'handOver', channelId, providerId: answer.ok, until, ...more }, channelId, answer.ok)
    return { providerId: answer.ok }
  }

  async function contentOf(
    tenantId: string,
    mediaId: string,
    form: Form,
    { file, announced }: Media,
    signal?: AbortSignal,
  ): Promise<Parameters<MediaApi['upload']>[1] | MediaFailure> {
    if (file === undefined) return failed('media_not_stored', 'The file of the message is not here')
    const { storageKey, size, mimeType } = file
    const sealed = { tenantId, mediaId, subject: subjectOf(mediaId, announced?.contactId), part: 'file', storageKey, size } as const
    const opened = await openSealed({ store, vault }, sealed).catch((error: unknown) => {
      if (error instanceof SealBroken) return undefined
      throw error
    })
    if (opened === undefined || !('bytes' in opened)) return failed('media_not_stored', 'The file of the message cannot be read')
    // Meta shows no name of it: the name in the thread is the message's own `filename`.
    if (form === 'file') return { mimeType, filename: 'file', size, bytes: opened.bytes }
    const note = await converter.convert(opened.bytes, signal)
    if (note === undefined || !isVoiceNote(note)) return failed('voice_note_format', 'The sound could not be made into a voice note')
    return { mimeType: 'audio/ogg', filename: 'voice.ogg', size: note.length, bytes: once(note) }
  }

  return {
    async resolve(account, { tenantId, channelId, type, object }, options = {}) {
      const references = referencesIn(type, object)
      if (references.length === 0) return { object }
      const copies = new Map<string, string>()
      for (const reference of references) {
        const copy = await copyOf(account, { tenantId, channelId, reference }, options)
        if ('failed' in copy) return copy
        copies.set(reference.path, copy.providerId)
      }
      return { object: withIds(type, object, ({ path }) => copies.get(path)) }
    },
    async forget({ tenantId, channelId, type, object }) {
      let any = false
      for (const { mediaId } of referencesIn(type, object)) {
        const { state } = await commands.load(media, tenantId, mediaId)
        for (const { channelId: handedTo, providerId } of state.handed) {
          if (handedTo !== channelId) continue
          any = true
          await record(tenantId, mediaId, { type: 'forget', channelId, providerId }, channelId, providerId)
        }
      }
      return any
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
