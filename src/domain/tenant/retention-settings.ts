import { z } from 'zod'
import type { Tenant } from './state.ts'

/** How long an organisation keeps things. Events are not among them: what happened stays, and a person's part of it goes with the person's key. */
export const retentionSettings = z.looseObject({
  retention: z.strictObject({ raw_deliveries_days: z.int().min(1).max(3650).nullish(), address_months: z.int().min(1).max(120).nullish() }).nullish(),
})

/** Days that the raw body of an inbound delivery is kept; undefined: for ever. Total: a setting that says nothing we know keeps everything. */
export function rawDeliveriesDays(settings: Tenant['settings']): number | undefined {
  const parsed = retentionSettings.safeParse(settings)
  return parsed.success ? (parsed.data.retention?.raw_deliveries_days ?? undefined) : undefined
}

const usualAddressMonths = 12

/** Whole months that the addresses requests came from are kept beyond their own. Never for ever: whoever sits there is nobody's customer and never asked. */
export function addressMonths(settings: Tenant['settings']): number {
  const parsed = retentionSettings.safeParse(settings)
  return (parsed.success ? parsed.data.retention?.address_months : undefined) ?? usualAddressMonths
}
