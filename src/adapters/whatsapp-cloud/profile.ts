import { z } from 'zod'
import type { CloudApiAccount } from '../../commands/ports/cloud-api.ts'
import type { BusinessProfile, ProfilesApi } from '../../commands/ports/profiles-api.ts'
import type { Exchange } from './exchange.ts'
import { done, failure, isSuccess } from './outcome.ts'

const fields = 'about,address,description,email,profile_picture_url,websites,vertical'
const text = z.string().optional().catch(undefined)
const profileBody = z.object({
  data: z.array(
    z.object({
      about: text,
      address: text,
      description: text,
      email: text,
      vertical: text,
      profile_picture_url: text,
      websites: z.array(z.string()).optional().catch(undefined),
    }),
  ),
})

/** `/{phone number}/whatsapp_business_profile`. */
export function profileCalls({
  get,
  post,
}: {
  get: (account: CloudApiAccount, path: string) => Promise<Exchange>
  post: (account: CloudApiAccount, path: string, body: unknown) => Promise<Exchange>
}): ProfilesApi {
  const path = ({ phoneNumberId }: CloudApiAccount): string => `/${encodeURIComponent(phoneNumberId)}/whatsapp_business_profile`
  return {
    async readProfile(account) {
      const result = await get(account, `${path(account)}?fields=${fields}`)
      if (!('answer' in result) || !isSuccess(result.answer)) return failure(result)
      const [found] = parse(result.answer.body)
      return { ok: found === undefined ? {} : given(found) }
    },
    async writeProfile(account, { pictureHandle, ...change }) {
      const picture = pictureHandle === undefined ? {} : { profile_picture_handle: pictureHandle }
      return done(await post(account, path(account), { messaging_product: 'whatsapp', ...change, ...picture }))
    },
  }
}

function parse(body: string): z.infer<typeof profileBody>['data'] {
  try {
    const read = profileBody.safeParse(JSON.parse(body))
    return read.success ? read.data.data : []
  } catch {
    return []
  }
}

function given({ profile_picture_url: pictureUrl, ...rest }: z.infer<typeof profileBody>['data'][number]): BusinessProfile {
  // Meta says an empty text, and of the branch UNDEFINED, for what was never set.
  const set = (value: unknown): boolean => value !== undefined && value !== '' && value !== 'UNDEFINED'
  return Object.fromEntries(Object.entries({ ...rest, pictureUrl }).filter(([, value]) => set(value)))
}
