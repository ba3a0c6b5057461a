import { z } from 'zod'
import type { Priority } from '../conversation/events.ts'
import type { Tenant } from './state.ts'

/** What to do with a message of which nobody knows whether it left: leave it to a person, send it again (once), or take it for lost. */
const policies = ['ask', 'resend_after', 'give_up'] as const
export type UnknownPolicy = (typeof policies)[number]
const policy = z.enum(policies)

/** The settings of an organisation that are about sending; the others are its own. null takes one away. */
export const sendingSettings = z.looseObject({
  send_read_receipts: z.boolean().nullish(),
  unknown_outcome: z
    .union([policy, z.strictObject({ agent: policy.optional(), automation: policy.optional(), campaign: policy.optional() })])
    .nullish(),
  unknown_outcome_wait_minutes: z.number().int().min(1).max(1440).nullish(),
})

/** A second message is worse than one too few in a campaign; what an agent wrote is for somebody to decide. */
const usual: Readonly<Record<Priority, UnknownPolicy>> = { agent: 'ask', automation: 'ask', campaign: 'give_up' }
/** The provider's report comes within seconds if it comes; its webhooks may be late. */
const usualWaitMinutes = 15

export type SendingPolicy = {
  readonly readReceipts: boolean
  readonly unknown: Readonly<Record<Priority, UnknownPolicy>>
  readonly unknownWaitMs: number
}

/** Total: a setting that says nothing we know is as if it were not there. */
export function sendingPolicy(settings: Tenant['settings']): SendingPolicy {
  const parsed = sendingSettings.safeParse(settings)
  const { send_read_receipts: receipts, unknown_outcome: unknown, unknown_outcome_wait_minutes: minutes } = parsed.success ? parsed.data : {}
  const wished = typeof unknown === 'string' ? { agent: unknown, automation: unknown, campaign: unknown } : unknown
  return {
    readReceipts: receipts ?? true,
    unknown: {
      agent: wished?.agent ?? usual.agent,
      automation: wished?.automation ?? usual.automation,
      campaign: wished?.campaign ?? usual.campaign,
    },
    unknownWaitMs: (minutes ?? usualWaitMinutes) * 60_000,
  }
}
