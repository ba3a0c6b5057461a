import { z } from 'zod'
import type { AddChannel } from '../../commands/channels/add-channel.ts'
import type { ChangeChannel, DisconnectChannel } from '../../commands/channels/change-channel.ts'
import type { CheckChannel } from '../../commands/channels/check-channel.ts'
import type { RemoveChannel } from '../../commands/channels/remove-channel.ts'
import { getChannel, listChannels, type ChannelView } from '../../projections/channels/queries.ts'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { channels } from '../../projections/channels/projection.ts'
import { created, noContent, ok } from '../http/call.ts'
import { idParams, line } from '../http/fields.ts'
import { listBody, pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { settled } from '../http/settled.ts'
import { momentProblems, type ReaderAt } from '../past/lists.ts'
import { asOf } from '../past/moment.ts'
import { shown } from '../past/shown.ts'
import { renderChannel } from './render.ts'
import { channelPatch, channelSchema, checkSchema, newChannel } from './schema.ts'
import { channelAfter, channelReads, type ChannelViewDeps } from './view.ts'

export type ChannelRoutesDeps = ChannelViewDeps & {
  readonly logOf: TenantLogs
  readonly readerAt: ReaderAt
  readonly addChannel: AddChannel
  readonly changeChannel: ChangeChannel
  readonly testChannel: CheckChannel
  readonly connectChannel: CheckChannel
  readonly disconnectChannel: DisconnectChannel
  readonly removeChannel: RemoveChannel
}

const tag = 'Channels'
const one = { 200: { description: 'The channel; its secrets never leave', schema: channelSchema } }
const changing = ['precondition_failed', 'channel_removed'] as const
const asking = ['credentials_refused', 'provider_unreachable'] as const

export function channelRoutes(deps: ChannelRoutesDeps): readonly Route[] {
  const { queries, logOf, readerAt, directory } = deps
  return [
    route({
      method: 'post',
      path: '/v1/channels',
      tag,
      access: 'channels:write',
      summary: 'Connect a number',
      description: 'Asks the provider about the credentials and for webhooks, unless `verify` is false.',
      body: newChannel,
      responses: { 201: { description: 'Connected', schema: channelSchema } },
      problems: ['number_taken', 'lite_unavailable', ...asking],
      async handle({ body, tenantId, context }) {
        if (body.kind === 'lite') throw problem('lite_unavailable')
        const { name, phone_number_id: phoneNumberId, waba_id: wabaId, access_token: accessToken, app_secret: appSecret, verify } = body
        const done = settled(await deps.addChannel({ name, phoneNumberId, wabaId, accessToken, appSecret, verify }, context))
        const channel = await channelAfter(deps, tenantId, done, context.at)
        return created(channel, { position: done.position, version: channel.version, location: `/v1/channels/${done.channelId}` })
      },
    }),
    route({
      method: 'get',
      path: '/v1/channels',
      tag,
      access: 'channels:read',
      summary: 'List channels, oldest first',
      query: z.object({ ...paging, kind: channelSchema.shape.kind.optional(), status: channelSchema.shape.status.optional(), as_of: asOf }),
      reads: channelReads,
      problems: momentProblems,
      responses: { 200: { description: 'Channels', schema: pageOf(channelSchema) } },
      async handle({ tenantId, query: { as_of: moment, ...query } }) {
        const { queries: then, position } = await readerAt(tenantId, [channels], moment)
        const page = await listChannels(then, tenantId, query)
        return ok(
          listBody(page, (row) => renderChannel(row, directory.channelOf(tenantId, row.id))),
          { position },
        )
      },
    }),
    route({
      method: 'get',
      path: '/v1/channels/{id}',
      tag,
      access: 'channels:read',
      summary: 'Read a channel',
      params: idParams,
      query: z.object({ as_of: asOf }),
      reads: channelReads,
      responses: one,
      async handle({ tenantId, params: { id }, query: { as_of: moment } }) {
        const { row, position } = await shown<ChannelView>(logOf(tenantId), { projection: channels, tenantId, id, moment }, () =>
          getChannel(queries, tenantId, id),
        )
        if (row === undefined) throw problem('not_found')
        return ok(renderChannel(row, directory.channelOf(tenantId, row.id)), { version: row.version, position })
      },
    }),
    route({
      method: 'patch',
      path: '/v1/channels/{id}',
      tag,
      access: 'channels:write',
      summary: 'Rename a channel or give it new credentials',
      description: 'A new access token is asked about at the provider first, unless `verify` is false.',
      params: idParams,
      body: channelPatch,
      responses: one,
      problems: [...changing, ...asking],
      async handle({ params, body, tenantId, context, ifVersion }) {
        const { name, access_token: accessToken, app_secret: appSecret, verify } = body
        const wish = { channelId: params.id, name, accessToken, appSecret, verify, ifVersion }
        const done = settled(await deps.changeChannel(wish, context))
        const channel = await channelAfter(deps, tenantId, done, context.at)
        return ok(channel, { position: done.position, version: channel.version })
      },
    }),
    ...switchRoutes(deps),
    route({
      method: 'delete',
      path: '/v1/channels/{id}',
      tag,
      access: 'channels:write',
      summary: 'Remove a channel for good and free its number',
      params: idParams,
      responses: { 204: { description: 'Removed' } },
      problems: ['precondition_failed'],
      async handle({ params, context, ifVersion }) {
        const { position } = settled(await deps.removeChannel({ channelId: params.id, ifVersion }, context))
        return noContent({ position })
      },
    }),
  ]
}

/** Test, connect, disconnect. */
function switchRoutes(deps: ChannelRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/channels/{id}/test',
      tag,
      access: 'channels:write',
      summary: 'Ask the provider whether the channel works',
      params: idParams,
      responses: { 200: { description: 'What was found; it is recorded', schema: checkSchema } },
      problems: [...changing, 'provider_unreachable'],
      async handle({ params, tenantId, context, ifVersion }) {
        const done = settled(await deps.testChannel({ channelId: params.id, ifVersion }, context))
        const channel = await channelAfter(deps, tenantId, done, context.at)
        const { found } = done
        const error = found === undefined ? {} : { error: { code: found.refused, title: found.title, detail: found.detail } }
        return ok({ ok: found === undefined, channel, ...error }, { position: done.position, version: channel.version })
      },
    }),
    route({
      method: 'post',
      path: '/v1/channels/{id}/connect',
      tag,
      access: 'channels:write',
      summary: 'Use the channel again',
      params: idParams,
      responses: one,
      problems: [...changing, ...asking],
      async handle({ params, tenantId, context, ifVersion }) {
        const done = settled(await deps.connectChannel({ channelId: params.id, ifVersion }, context))
        if (done.found !== undefined) settled(done.found)
        const channel = await channelAfter(deps, tenantId, done, context.at)
        return ok(channel, { position: done.position, version: channel.version })
      },
    }),
    route({
      method: 'post',
      path: '/v1/channels/{id}/disconnect',
      tag,
      access: 'channels:write',
      summary: 'Stop using the channel until it is connected again',
      description: 'The number stays reserved, and what customers write to it meanwhile is recorded.',
      params: idParams,
      body: z.strictObject({ reason: line(500).optional() }),
      bodyOptional: true,
      responses: one,
      problems: changing,
      async handle({ params, body, tenantId, context, ifVersion }) {
        const done = settled(await deps.disconnectChannel({ channelId: params.id, reason: body.reason, ifVersion }, context))
        const channel = await channelAfter(deps, tenantId, done, context.at)
        return ok(channel, { position: done.position, version: channel.version })
      },
    }),
  ]
}
