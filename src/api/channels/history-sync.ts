import { z } from 'zod'
import type { SyncPhone } from '../../commands/channels/sync-phone.ts'
import { accepted } from '../http/call.ts'
import { idParams } from '../http/fields.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'

/** What a phone knew before its number was connected. */
export const historySyncRoutes = ({ syncPhone }: { readonly syncPhone: SyncPhone }): readonly Route[] => [
  route({
    method: 'post',
    path: '/v1/channels/{id}/history-sync',
    tag: 'Channels',
    access: 'channels:write',
    summary: 'Ask the phone of a number for its address book or its history',
    description:
      'For numbers that stay on the WhatsApp Business app. Each can be asked for once per connection and within its first 24 hours; contacts first, so that ' +
      'history finds its people named. What the phone shares comes over the following minutes: contacts, and threads of up to six months, which are unread ' +
      'for nobody.',
    params: idParams,
    body: z.strictObject({ sync: z.enum(['contacts', 'history']) }),
    responses: {
      202: {
        description: 'The phone is asked',
        schema: z.object({
          sync: z.enum(['contacts', 'history']),
          request_id: z.string().optional().meta({ description: "Meta's, for its support" }),
        }),
      },
    },
    problems: ['sync_refused', 'channel_removed', 'provider_unreachable'],
    async handle({ params, body, context }) {
      const { asked, requestId, position } = settled(await syncPhone({ channelId: params.id, what: body.sync }, context))
      return accepted({ sync: asked, ...(requestId === undefined ? {} : { request_id: requestId }) }, { position })
    },
  }),
]
