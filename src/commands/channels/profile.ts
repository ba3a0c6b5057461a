import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { Commands } from '../kernel/execute.ts'
import type { BusinessProfile, ProfileChange, ProfilesApi } from '../ports/profiles-api.ts'
import { onChannel, type ChannelDirectory, type ChannelRefused } from './on-channel.ts'
import { unverified, type Unverified } from './verify-number.ts'

export type ReadProfile = (input: { tenantId: string; channelId: string }) => Promise<BusinessProfile | ChannelRefused | Unverified>
/** `provider_rejected`: Meta took the credentials and not the profile. */
export type ChangeProfile = (
  input: { channelId: string; change: ProfileChange },
  context: CommandContext,
) => Promise<{ readonly profile: BusinessProfile; readonly position: Position } | ChannelRefused | Unverified | Rejected>
type Rejected = { readonly refused: 'provider_rejected'; readonly detail: string; readonly providerError: unknown }

type Deps = { commands: Commands; profiles: ProfilesApi; directory: ChannelDirectory }

/** The business profile as Meta has it now: it is not kept here, since it can also be changed in WhatsApp Manager. */
export function createReadProfile({ profiles, directory }: Omit<Deps, 'commands'>): ReadProfile {
  return async ({ tenantId, channelId }) => {
    const account = await directory.accountOf(tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const read = await profiles.readProfile(account)
    return 'ok' in read ? read.ok : unverified(read, account)
  }
}

/** Changes it at Meta, then records who changed what. A death in between is a change without a record; the repeat makes the record, too. */
export function createChangeProfile(deps: Deps): ChangeProfile {
  return async ({ channelId, change }, context) => {
    const account = await deps.directory.accountOf(context.tenantId, channelId)
    if (account === undefined) return { refused: 'not_found' }
    const written = await deps.profiles.writeProfile(account, change)
    if (!('ok' in written)) {
      if ('error' in written && written.error.code === 100) {
        const { details, message } = written.error
        return { refused: 'provider_rejected', detail: `Meta did not take the profile: ${details ?? message}`, providerError: written.error }
      }
      return unverified(written, account)
    }
    const { pictureHandle, ...shown } = change
    const profile: Record<string, string | string[]> = {}
    for (const [field, value] of Object.entries(shown)) profile[field] = typeof value === 'string' ? value : [...value]
    if (pictureHandle !== undefined) profile['picture'] = 'changed'
    const done = await onChannel(deps, channelId, { type: 'changeProfile', profile }, context)
    if (!('position' in done)) return done
    const read = await deps.profiles.readProfile(account)
    return { position: done.position, profile: 'ok' in read ? read.ok : shown }
  }
}
