import { z } from 'zod'
import type { ChangeProfile, ReadProfile } from '../../commands/channels/profile.ts'
import type { BusinessProfile } from '../../commands/ports/profiles-api.ts'
import { ok } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'

/** Meta's branches. A new one of theirs is shown, and has to be added here before it can be set. */
const verticals = [
  'ALCOHOL',
  'APPAREL',
  'AUTO',
  'BEAUTY',
  'EDU',
  'ENTERTAIN',
  'EVENT_PLAN',
  'FINANCE',
  'GOVT',
  'GROCERY',
  'HEALTH',
  'HOTEL',
  'MATRIMONY_SERVICE',
  'NONPROFIT',
  'NOT_A_BIZ',
  'ONLINE_GAMBLING',
  'OTC_DRUGS',
  'OTHER',
  'PHYSICAL_GAMBLING',
  'PROF_SERVICES',
  'RESTAURANT',
  'RETAIL',
  'TRAVEL',
] as const

/** Lines are fine here, other control characters are not. */
const text = (least: number, most: number) =>
  z
    .string()
    .trim()
    .min(least)
    .max(most)
    // oxlint-disable-next-line no-control-regex -- control characters are what it is about
    .regex(/^[^\u0000-\u0009\u000b-\u001f\u007f]*$/, 'must not contain control characters')

const website = z.url({ protocol: /^https?$/, error: 'must be an address with http:// or https://' }).max(256)

const profileChange = z
  .strictObject({
    about: text(1, 139),
    address: text(0, 256),
    description: text(0, 512),
    email: z.union([z.literal(''), z.email().max(128)]),
    websites: z.array(website).max(2),
    vertical: z.enum(verticals),
    profile_picture_handle: z.string().trim().min(1).max(4_096).meta({ description: "Handle of Meta's resumable upload" }),
  })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'must change something')

const profileSchema = z
  .object({
    about: z.string(),
    address: z.string(),
    description: z.string(),
    email: z.string(),
    websites: z.array(z.string()),
    vertical: z.string(),
    profile_picture_url: z.string().meta({ description: "Meta's address; it expires" }),
  })
  .partial()
  .meta({ id: 'BusinessProfile' })

const render = ({ pictureUrl, websites, ...rest }: BusinessProfile): z.infer<typeof profileSchema> => ({
  ...rest,
  ...(websites === undefined ? {} : { websites: [...websites] }),
  ...(pictureUrl === undefined ? {} : { profile_picture_url: pictureUrl }),
})

const tag = 'Channels'
const asking = ['credentials_refused', 'provider_unreachable'] as const

/** What customers see of the business, as Meta has it. */
export const profileRoutes = ({ readProfile, changeProfile }: { readProfile: ReadProfile; changeProfile: ChangeProfile }): readonly Route[] => [
  route({
    method: 'get',
    path: '/v1/channels/{id}/profile',
    tag,
    access: 'channels:read',
    summary: 'Read the business profile at the provider',
    params: idParams,
    responses: { 200: { description: 'What is set; the rest is left out', schema: profileSchema } },
    problems: asking,
    async handle({ tenantId, params }) {
      const profile = await readProfile({ tenantId, channelId: params.id })
      return ok(render('refused' in profile || 'stale' in profile ? settled(profile) : profile))
    },
  }),
  route({
    method: 'put',
    path: '/v1/channels/{id}/profile',
    tag,
    access: 'channels:write',
    summary: 'Change the business profile at the provider',
    description: 'What is left out stays as it is; an empty text or list removes it.',
    params: idParams,
    body: profileChange,
    responses: { 200: { description: 'The profile as it is now', schema: profileSchema } },
    problems: [...asking, 'provider_rejected', 'channel_removed'],
    async handle({ params, body, context }) {
      const { profile_picture_handle: pictureHandle, ...fields } = body
      const given = Object.fromEntries(Object.entries({ ...fields, pictureHandle }).filter(([, value]) => value !== undefined))
      const done = settled(await changeProfile({ channelId: params.id, change: given }, context))
      return ok(render(done.profile), { position: done.position })
    },
  }),
]
