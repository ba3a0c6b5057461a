import type { Clock } from '../../../domain/kernel/clock.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { media } from '../../../domain/media/media.ts'
import type { Commands } from '../../kernel/execute.ts'
import type { ErasedSubject, ErasedSubjects } from '../../ports/erased-subjects.ts'

export type ErasedPeople = {
  readonly commands: Pick<Commands, 'execute'>
  readonly erased: ErasedSubjects
  /** The stored files of a person, or the one file of ours, that were there before a moment. */
  readonly filesOf: (
    of: { readonly tenantId: string } & ({ readonly contactId: string } | { readonly mediaId: string }),
    before: Date,
  ) => Promise<readonly string[]>
  readonly clock: Clock
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * Whose key was destroyed has no files either: nobody can open them, and they are removed all the same. Each look goes an hour further back than the last
 * one, for a read model that was behind; once a day, and at the start, it goes back to the beginning. What was sent after the erasure has a new key and stays.
 */
export function createEraseFiles({ commands, erased, filesOf, clock }: ErasedPeople): (signal: AbortSignal) => Promise<number> {
  let since = new Date(0)
  let wholeAt = -Infinity

  return async (signal) => {
    const now = clock()
    const whole = now.getTime() - wholeAt >= dayMs
    let files = 0
    for (const one of await erased(whole ? new Date(0) : since)) {
      signal.throwIfAborted()
      files += await eraseThoseOf(one, now)
    }
    if (whole) wholeAt = now.getTime()
    since = new Date(now.getTime() - hourMs)
    return files
  }

  async function eraseThoseOf({ tenantId, subject, erasedAt }: ErasedSubject, now: Date): Promise<number> {
    const ofOurs = /^media:(.+)$/.exec(subject)?.[1]
    // Other things with a key of their own (channels, users, addresses) have no files.
    if (ofOurs === undefined && subject.includes(':')) return 0
    const ids = await filesOf({ tenantId, ...(ofOurs === undefined ? { contactId: subject } : { mediaId: ofOurs }) }, erasedAt)
    for (const mediaId of ids) {
      const commandId = derivedId('erase file', tenantId, mediaId)
      const actor = { kind: 'process', id: 'media' } as const
      const context: CommandContext = { tenantId, actor, commandId, correlationId: commandId, causationId: commandId, at: now }
      await commands.execute(media, mediaId, { type: 'erase' }, context)
    }
    return ids.length
  }
}
