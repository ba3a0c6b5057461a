import { retentionSettings } from '../../domain/tenant/retention-settings.ts'
import { sendingSettings } from '../../domain/tenant/sending-settings.ts'
import { z } from 'zod'
import type { Json } from '../../domain/tenant/state.ts'
import { line, time } from '../http/fields.ts'
import { isScope } from '../http/scopes.ts'

export const tenantSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    plan: z.string(),
    status: z.enum(['active', 'suspended', 'closed']),
    locale: z.string(),
    settings: z.record(z.string(), z.unknown()),
    created_at: time,
    updated_at: time,
    version: z.int(),
  })
  .meta({ id: 'Tenant' })

/** A DNS label: slugs may become host names. */
const slug = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -, not starting or ending with -')
const name = line(200)
/** A tag of BCP 47; written with `_`, as Meta does, it passes too. */
const locale = z.string().max(35).refine(isLanguageTag, 'must be a language tag such as es, pt-BR or zh-Hans-CN')
/** The operator names its plans as it sells them; one that nothing is known about has the limits of `standard`. */
const plan = z.string().regex(/^[a-z0-9_-]{1,40}$/, 'must be 1 to 40 of a-z, 0-9, _ and -')

const mostSettings = 16_384
const settings = z
  .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a snake_case name'), z.unknown())
  .refine((value) => JSON.stringify(value).length <= mostSettings, `must not be larger than ${mostSettings} characters as JSON`)
  // What Recado itself reads must be readable; everything else is the organisation's own.
  .superRefine((value, context) =>
    [sendingSettings, retentionSettings].forEach((known) =>
      known.safeParse(value).error?.issues.forEach(({ path, message }) => context.addIssue({ code: 'custom', path, message })),
    ),
  )
  .transform((value) => value as Readonly<Record<string, Json>>)
  .meta({
    description:
      'Merged into the present settings; null takes one away. Known ones: `send_read_receipts` (true), `unknown_outcome` (`ask`, `resend_after` or `give_up`, for all or by priority `{agent, automation, campaign}`; default: ask, campaigns give up), `unknown_outcome_wait_minutes` (15) and `retention` (`{raw_deliveries_days, address_months}`: how long the raw bodies of inbound deliveries are kept, 1 to 3650 days, for ever when absent; and for how many months the addresses that requests came from, 1 to 120, 12 when absent).',
  })

export const newTenant = z.strictObject({
  name,
  slug,
  plan: plan.default('standard'),
  locale: locale.default('en'),
  admin: z.strictObject({ email: z.email().max(254), name }).optional(),
})
/** What the operator may change, and what a tenant may change of itself: the plan is not the tenant's to choose. */
export const tenantPatch = z.strictObject({ name: name.optional(), plan: plan.optional(), locale: locale.optional(), settings: settings.optional() })
export const ownTenantPatch = tenantPatch.omit({ plan: true })
export const reasonBody = z.strictObject({ reason: line(500).optional() })

function isLanguageTag(tag: string): boolean {
  if (!/^[A-Za-z]{2,3}(?:[-_]|$)/.test(tag)) return false
  try {
    return Intl.getCanonicalLocales(tag.replaceAll('_', '-')).length === 1
  } catch {
    return false
  }
}

const granted = z.string().refine((text) => text === '*' || isScope(text), 'is not a scope')
export const newApiKey = z.strictObject({
  name: line(100).default('API key'),
  scopes: z
    .array(granted)
    .min(1)
    .max(100)
    .transform((all) => [...new Set(all)].sort((a, b) => (a < b ? -1 : 1))),
})
export const apiKeySchema = z
  .object({ id: z.string(), name: z.string(), hint: z.string(), scopes: z.array(z.string()), created_at: time, revoked_at: time.nullable() })
  .meta({ id: 'ApiKey' })
export const issuedKey = z
  .object({ id: z.string(), key: z.string().meta({ description: 'Shown once' }), name: z.string(), scopes: z.array(z.string()) })
  .meta({ id: 'IssuedApiKey' })
export const adminSchema = z.object({ id: z.string(), name: z.string(), email: z.string(), role: z.literal('admin') })
