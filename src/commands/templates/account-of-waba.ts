import type { ChannelEntry } from '../directory/directory.ts'
import type { CloudApiAccount } from '../ports/cloud-api.ts'

export type TemplateDirectory = {
  readonly channelsOf: (tenantId: string) => readonly ChannelEntry[]
  readonly channelOf: (tenantId: string, channelId: string) => ChannelEntry | undefined
  readonly accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined>
}

const rank: Readonly<Record<ChannelEntry['status'], number>> = { connected: 0, pending: 1, degraded: 2, disconnected: 3 }

/**
 * Credentials for a business account: those of any channel of the tenant in it, the healthiest first. A channel that is off on purpose lends none.
 * Another tenant's credentials for the same account are never used.
 */
export async function accountOfWaba(directory: TemplateDirectory, tenantId: string, wabaId: string): Promise<CloudApiAccount | undefined> {
  const usable = directory
    .channelsOf(tenantId)
    .filter((channel) => channel.wabaId === wabaId && channel.status !== 'disconnected')
    .toSorted((a, b) => rank[a.status] - rank[b.status])
  for (const { channelId } of usable) {
    const account = await directory.accountOf(tenantId, channelId)
    if (account !== undefined) return account
  }
  return undefined
}
