import type { ProviderStatus } from './events.ts'

/**
 * How far a status is. A message shows the furthest one that was ever reported, so late and repeated reports change nothing.
 * `failed` after `sent` is normal; `failed` after `delivered` must not demote (Meta gives no order at all, cloud-api facts section 4).
 */
export const statusRank: Readonly<Record<ProviderStatus, number>> = { sent: 1, failed: 2, delivered: 3, read: 4, played: 5 }

export const furthestStatus = (reported: readonly ProviderStatus[]): ProviderStatus | undefined =>
  reported.reduce<ProviderStatus | undefined>((best, one) => (best === undefined || statusRank[one] > statusRank[best] ? one : best), undefined)
