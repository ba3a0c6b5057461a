import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { media, subjectOf, type MediaRefusal, type Store } from '../../domain/media/media.ts'
import { unfitForUpload, type Unfit } from '../../domain/media/rules.ts'
import type { Commands } from '../kernel/execute.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { mimeTypeOf } from './inspect.ts'
import { keepFile } from './keep-file.ts'
import type { Spooled } from './spool.ts'

export type Uploading = { readonly file: Spooled; readonly filename: string | undefined; readonly mimeType: string | undefined }
export type UploadOutcome =
  | { readonly mediaId: string; readonly stored: Store; readonly position: Position }
  | { readonly unfit: Unfit }
  | { readonly refused: MediaRefusal }

/** A file of ours, to be sent later. Its id derives from the command, so a repeated upload is the same file. */
export type UploadMedia = (upload: Uploading, context: CommandContext) => Promise<UploadOutcome>

export function createUploadMedia({
  commands,
  vault,
  store,
  canConvert,
}: {
  commands: Pick<Commands, 'execute'>
  vault: Pick<Vault, 'ensure' | 'sealBytes'>
  store: Pick<MediaStore, 'put'>
  /** Whether other sounds can be made into voice notes here. */
  canConvert: () => Promise<boolean>
}): UploadMedia {
  return async ({ file, filename, mimeType: declared }, context) => {
    const { tenantId } = context
    const mimeType = await mimeTypeOf(file.head, declared)
    const unfit =
      file.size === 0
        ? ({ code: 'media_type', message: 'The file is empty.' } as const)
        : unfitForUpload({ mimeType, size: file.size }, await canConvert())
    if (unfit !== undefined) return { unfit }
    const mediaId = derivedId('upload', tenantId, context.commandId)
    const stored = await keepFile({ store, vault }, file, { tenantId, mediaId, subject: subjectOf(mediaId, undefined), mimeType: declared, filename })
    const outcome = await commands.execute(media, mediaId, stored, context)
    if ('refused' in outcome) return outcome
    if ('stale' in outcome) throw new Error('an upload has no version to be stale')
    return { mediaId, stored, position: outcome.position }
  }
}
