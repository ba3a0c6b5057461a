import { z } from 'zod'
import type { AddChannel } from '../../commands/channels/add-channel.ts'
import type { ChannelDone } from '../../commands/channels/on-channel.ts'
import type { ChangeChannel } from '../../commands/channels/change-channel.ts'
import { verifyTokenOf } from '../../commands/directory/hook.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { getChannel } from '../../projections/channels/queries.ts'
import { renderChannel, type ChannelBody } from '../channels/render.ts'
import { channelName, channelSchema, credential, metaId } from '../channels/schema.ts'
import { channelAfter, channelReads, type ChannelViewDeps } from '../channels/view.ts'
import { created, ok, type Answer, type Call } from '../http/call.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'

export type ConfigRoutesDeps = ChannelViewDeps & {
  readonly addChannel: AddChannel
  readonly changeChannel: ChangeChannel
  readonly vault: Pick<Vault, 'ensure' | 'blindIndex'>
  /** Where clients reach us; without it addresses are given as paths. */
  readonly publicUrl?: string
}

// The configuration endpoints of the migration plan: one number per organisation as the plan sees it, the same commands as /v1/channels underneath.

const tag = 'Configuration'
const business = z.strictObject({
  api_type: z.literal('business_api'),
  phone_number_id: metaId,
  waba_id: metaId,
  access_token: credential,
  app_secret: credential.optional(),
  name: channelName.optional(),
  verify: z.boolean().default(true),
})
const lite = z.looseObject({ api_type: z.literal('whatsapp_web') })
const newConfig = z.discriminatedUnion('api_type', [business, lite])
const configPatch = z.discriminatedUnion('api_type', [business.partial({ phone_number_id: true, waba_id: true, access_token: true }), lite])
const configSchema = z
  .object({
    api_type: z.literal('business_api'),
    channel_id: z.string(),
    name: z.string(),
    status: channelSchema.shape.status,
    phone: z.string().nullable(),
    phone_number_id: z.string().optional(),
    waba_id: z.string().optional(),
    webhook_url: z.string(),
    webhook_verify_token: z.string().optional().meta({ description: 'To enter in the own Meta app, when the number has one' }),
  })
  .meta({ id: 'WhatsAppConfig' })

const problems = ['number_taken', 'config_ambiguous', 'lite_unavailable', 'credentials_refused', 'provider_unreachable', 'channel_removed'] as const

export function configRoutes(deps: ConfigRoutesDeps): readonly Route[] {
  const { queries, directory, vault } = deps

  async function render(tenantId: string, channel: ChannelBody): Promise<z.infer<typeof configSchema>> {
    const own = directory.channelOf(tenantId, channel.id)?.hook !== undefined
    if (own) await vault.ensure(tenantId, [])
    return {
      api_type: 'business_api',
      channel_id: channel.id,
      name: channel.name,
      status: channel.status,
      phone: channel.phone,
      ...(channel.phone_number_id === undefined ? {} : { phone_number_id: channel.phone_number_id }),
      ...(channel.waba_id === undefined ? {} : { waba_id: channel.waba_id }),
      webhook_url: `${deps.publicUrl?.replace(/\/$/, '') ?? ''}${channel.webhook_path}`,
      ...(own ? { webhook_verify_token: verifyTokenOf(vault, tenantId, channel.id) } : {}),
    }
  }

  async function answer(call: Call<unknown, unknown, unknown>, done: ChannelDone, made: boolean): Promise<Answer> {
    const channel = await channelAfter(deps, call.tenantId, done, call.context.at)
    const body = await render(call.tenantId, channel)
    return (made ? created : ok)(body, { position: done.position, version: channel.version })
  }

  async function add(call: Call<unknown, unknown, z.output<typeof business>>): Promise<Answer> {
    const { phone_number_id: phoneNumberId, waba_id: wabaId, access_token: accessToken, app_secret: appSecret, verify, name } = call.body
    const wish = { name: name ?? 'WhatsApp', phoneNumberId, wabaId, accessToken, appSecret, verify }
    return answer(call, settled(await deps.addChannel(wish, call.context)), true)
  }

  return [
    route({
      method: 'get',
      path: '/api/whatsapp/config',
      tag,
      access: 'channels:read',
      summary: 'Read the configuration: of the number asked for, else of the oldest one',
      query: z.object({ phone_number_id: metaId.optional(), api_type: z.string().max(100).optional() }),
      reads: channelReads,
      responses: { 200: { description: 'The configuration, without secrets', schema: configSchema } },
      async handle({ tenantId, query }) {
        const wanted = query.phone_number_id
        if ((query.api_type ?? 'business_api') !== 'business_api') throw problem('not_found', 'No number of this kind is configured.')
        const entry = directory.channelsOf(tenantId).find(({ phoneNumberId }) => wanted === undefined || phoneNumberId === wanted)
        const row = entry === undefined ? undefined : await getChannel(queries, tenantId, entry.channelId)
        if (row === undefined) throw problem('not_found', 'No number is configured.')
        return ok(await render(tenantId, renderChannel(row, entry)), { version: row.version })
      },
    }),
    route({
      method: 'post',
      path: '/api/whatsapp/config',
      tag,
      access: 'channels:write',
      summary: 'Configure a number',
      body: newConfig,
      responses: { 201: { description: 'Connected', schema: configSchema } },
      problems,
      async handle(call) {
        const { body } = call
        if (body.api_type === 'whatsapp_web') throw problem('lite_unavailable')
        return add({ ...call, body })
      },
    }),
    route({
      method: 'put',
      path: '/api/whatsapp/config',
      tag,
      access: 'channels:write',
      summary: 'Change the configuration of a number, or configure it if it is new',
      description: 'Without `phone_number_id` it is the only number of the organisation. What is left out stays as it is.',
      body: configPatch,
      responses: { 200: { description: 'Changed', schema: configSchema }, 201: { description: 'Connected', schema: configSchema } },
      problems: [...problems, 'precondition_failed'],
      async handle(call) {
        const { body, tenantId, context, ifVersion } = call
        if (body.api_type === 'whatsapp_web') throw problem('lite_unavailable')
        const all = directory.channelsOf(tenantId)
        const wanted = body.phone_number_id
        if (wanted === undefined && all.length > 1) throw problem('config_ambiguous')
        const entry = wanted === undefined ? all[0] : all.find(({ phoneNumberId }) => phoneNumberId === wanted)
        if (entry === undefined) return add({ ...call, body: business.parse(body) })
        if (body.waba_id !== undefined && body.waba_id !== entry.wabaId) {
          const message = 'is another account than the one this number was connected with: remove the channel and add the number again'
          throw problem('invalid_request', { errors: [{ path: 'body.waba_id', code: 'immutable', message }] })
        }
        const { name, access_token: accessToken, app_secret: appSecret, verify } = body
        const wish = { channelId: entry.channelId, name, accessToken, appSecret, verify, ifVersion }
        return answer(call, settled(await deps.changeChannel(wish, context)), false)
      },
    }),
  ]
}
