/** Whose turn it is. Tenants take turns, and within a tenant its channels: a tenant with a hundred busy numbers gets no more turns than one with a single one. */
export type Turns<Channel> = {
  /** The channel may have something to do. */
  add: (tenantId: string, channelId: string, channel: Channel) => void
  remove: (tenantId: string, channelId: string) => void
  /** What the first channel that has something gives; those that have nothing are taken out until they are added again. */
  pick: <T>(tryIt: (channel: Channel) => T | undefined) => T | undefined
}

export function createTurns<Channel>(): Turns<Channel> {
  // Maps keep the order of insertion: who had a turn goes to the end.
  const tenants = new Map<string, Map<string, Channel>>()

  function remove(tenantId: string, channelId: string): void {
    const channels = tenants.get(tenantId)
    channels?.delete(channelId)
    if (channels?.size === 0) tenants.delete(tenantId)
  }

  return {
    add(tenantId, channelId, channel) {
      const channels = tenants.get(tenantId) ?? new Map<string, Channel>()
      channels.set(channelId, channel)
      tenants.set(tenantId, channels)
    },
    remove,
    pick(tryIt) {
      for (const [tenantId, channels] of tenants) {
        for (const [channelId, channel] of channels) {
          const found = tryIt(channel)
          if (found === undefined) {
            remove(tenantId, channelId)
            continue
          }
          channels.delete(channelId)
          channels.set(channelId, channel)
          tenants.delete(tenantId)
          tenants.set(tenantId, channels)
          return found
        }
      }
      return undefined
    },
  }
}
