import type { ChannelDone } from '../../commands/channels/on-channel.ts'
import type { Directory } from '../../commands/directory/directory.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getChannel } from '../../projections/channels/queries.ts'
import type { ReadAfter } from '../http/idempotency.ts'
import { renderChannel, rowOfDecided, type ChannelBody } from './render.ts'

export const channelReads = ['channels']
const shownWithinMs = 2_000

export type ChannelViewDeps = {
  readonly queries: TenantQueries
  readonly directory: Pick<Directory, 'channelOf' | 'channelsOf'>
  readonly readAfter: ReadAfter
}

/** The channel as it is after a command: read once the read model has it, else told from what was decided. */
export async function channelAfter(
  { queries, directory, readAfter }: ChannelViewDeps,
  tenantId: string,
  done: ChannelDone,
  at: Date,
): Promise<ChannelBody> {
  const row = (await readAfter(channelReads, done.position, shownWithinMs)) ? await getChannel(queries, tenantId, done.channelId) : undefined
  return renderChannel(row ?? rowOfDecided(done, at), directory.channelOf(tenantId, done.channelId))
}
