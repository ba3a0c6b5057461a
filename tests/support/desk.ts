import { createHash, randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { WebSocket } from 'ws'
import { auditRoutes } from '../../src/api/audit/routes.ts'
import { renderTemplate } from '../../src/api/templates/render.ts'
import { renderChannel } from '../../src/api/channels/render.ts'
import { contactRoutes } from '../../src/api/contacts/routes.ts'
import { presenceRoutes } from '../../src/api/conversations/presence.ts'
import { conversationRoutes } from '../../src/api/conversations/routes.ts'
import { timelineRoutes } from '../../src/api/conversations/timeline.ts'
import { replayRoutes } from '../../src/api/deliveries/replay-routes.ts'
import { createReplays } from '../../src/commands/deliveries/replays.ts'
import { stuckDeliveries } from '../../src/projections/deliveries/queries.ts'
import { operatorQueries } from '../../src/projections/engine/operator.ts'
import { deliveryRoutes } from '../../src/api/deliveries/routes.ts'
import { eventExportRoutes } from '../../src/api/events/export/routes.ts'
import { eventRoutes } from '../../src/api/events/routes.ts'
import { asyncApiRoutes } from '../../src/api/feed/asyncapi.ts'
import { createFeed } from '../../src/api/feed/feed.ts'
import { createHub } from '../../src/api/feed/hub.ts'
import { createFeedRenderer, feedReads } from '../../src/api/feed/render.ts'
import { watchRebuilds } from '../../src/api/feed/watch-rebuilds.ts'
import { createApp } from '../../src/api/http/app.ts'
import { createKeptAnswers } from '../../src/api/http/kept-answers.ts'
import type { Principal } from '../../src/api/http/principal.ts'
import { createRateLimits } from '../../src/api/http/rate-limit.ts'
import { createOpener } from '../../src/api/messages/opening.ts'
import { attentionRoutes } from '../../src/api/messages/attention.ts'
import { createMediaLinks } from '../../src/api/media/links.ts'
import { createRenderStored, createShowMedia } from '../../src/api/media/view.ts'
import { messageRoutes } from '../../src/api/messages/routes.ts'
import { sendingRoutes } from '../../src/api/messages/sending.ts'
import { diffRoutes } from '../../src/api/past/diff.ts'
import { createReaderAt } from '../../src/api/past/lists.ts'
import { mountPages } from '../../src/api/pages/pages.ts'
import { phoneRoutes } from '../../src/api/phones/routes.ts'
import { createDealWithParked } from '../../src/api/projections/deal-with-parked.ts'
import { parkedRoutes } from '../../src/api/projections/parked-routes.ts'
import { projectionRoutes } from '../../src/api/projections/routes.ts'
import { createAuditTrail } from '../../src/commands/audit/trail.ts'
import { createFindContact } from '../../src/commands/contacts/find-contact.ts'
import { validatePhone } from '../../src/commands/contacts/validate-phone.ts'
import { createMeetContact } from '../../src/commands/contacts/meet-contact.ts'
import { createInbox } from '../../src/commands/conversations/inbox.ts'
import { createIntakeWatch } from '../../src/commands/processes/intake/progress.ts'
import { createCheckMedia } from '../../src/commands/media/check-media.ts'
import type { Presence } from '../../src/commands/conversations/presence.ts'
import { createCommands } from '../../src/commands/kernel/execute.ts'
import { channel } from '../../src/domain/channel/channel.ts'
import { conversation, conversationId, inboundMessageId } from '../../src/domain/conversation/conversation.ts'
import type { CommandContext } from '../../src/domain/kernel/context.ts'
import { tenantQueries } from '../../src/postgres/queries.ts'
import { createMoments, type MomentOptions } from '../../src/projections/engine/moments.ts'
import { createSettleAlert } from '../../src/commands/alerts/alerts.ts'
import { createRebuilds } from '../../src/projections/engine/rebuilds.ts'
import { createParkedTools } from '../../src/projections/engine/retry-parked.ts'
import { projections } from '../../src/projections/index.ts'
import { openHouse, type HouseLog } from './house.ts'

export type Desk = Awaited<ReturnType<typeof startDesk>>
export type Frame = { id?: string; type: string; position: string; code?: string; data?: Record<string, unknown> }

const silent = pino({ level: 'silent' })

/**
 * The inbox as one process serves it, on a database of its own: log, vault, read models, routes, feed. No provider: tests say what a customer wrote
 * and what the provider answered by the same commands that the intake and the sender use. Credentials are `key-<tenantId>` until they are revoked.
 */
export async function startDesk(
  options: {
    slowBeyond?: number
    heartbeatMs?: number
    moments?: Partial<MomentOptions>
    authTimeoutMs?: number
    failuresPerMinute?: number
    log?: HouseLog
  } = {},
) {
  const house = await openHouse(projections, options.log)
  const { pools, store, logOf, vault, applied } = house
  const commands = createCommands({ store, vault })
  const meetContact = createMeetContact({ commands, vault })
  const inbox = createInbox({ commands, meetContact, findContact: createFindContact({ commands, vault }) })

  const reader = tenantQueries(pools.api)
  const open = createOpener(vault)
  const moments = createMoments({
    pool: pools.worker,
    copyPool: pools.copy,
    reader,
    scan: house.scan,
    index: house.index,
    signal: house.signal,
    log: silent,
    waitMs: 20_000,
    ...options.moments,
  })
  const readerAt = createReaderAt({ reader, logOf, moments })
  const links = createMediaLinks({ vault, clock: () => new Date() })
  const showMedia = createShowMedia({ reader, open, links })
  const seen: { what: 'read' | 'typing'; providerId: string }[] = []
  const presence: Presence = {
    read: ({ providerId }) => seen.push({ what: 'read', providerId }),
    typing: ({ providerId }) => seen.push({ what: 'typing', providerId }),
  }
  const refused = new Map<string, 'revoked' | 'suspended'>()
  const scopesOf = new Map<string, readonly string[]>()
  const authenticate = (token: string, named?: string): Principal | undefined => {
    if (token === 'operator' && named !== undefined)
      return { kind: 'operator', tenantId: named, actor: { kind: 'operator', id: 'operator' }, scopes: ['*'], tenantStatus: 'active' }
    const tenantId = /^key-(.{36})$/.exec(token)?.[1]
    if (tenantId === undefined || refused.get(tenantId) === 'revoked') return undefined
    const tenantStatus = refused.get(tenantId) === 'suspended' ? 'suspended' : 'active'
    return { kind: 'key', tenantId, actor: { kind: 'api', id: 'test' }, scopes: scopesOf.get(tenantId) ?? ['*'], tenantStatus }
  }

  const limits = createRateLimits({ requestsPerSecond: 1_000_000, failuresPerMinute: options.failuresPerMinute ?? 1_000_000 })
  const hub = createHub({
    store,
    shown: (position, timeoutMs) => applied.waitFor(feedReads, position, timeoutMs),
    render: createFeedRenderer({
      reader,
      open,
      showMedia,
      renderMedia: createRenderStored({ open, links }),
      renderChannel: (_tenantId, row) => renderChannel(row, undefined),
      renderTemplate: (_tenantId, row) => renderTemplate(row, []),
    }),
    credentialsAt: async () => undefined,
    signal: house.signal,
    log: silent,
  })
  const watch = watchRebuilds({
    hub,
    rebuilds: createRebuilds({ pool: pools.worker, projections }),
    signal: house.signal,
    log: silent,
    openMs: 50,
    idleMs: 100,
  })
  const feed = createFeed({ hub, store, authenticate, countFailure: limits.countFailure, ...options, log: silent })

  const replay = async () => ({ missing: true }) as const
  const app = createApp({
    routes: [
      ...conversationRoutes({ reader, readerAt, logOf, open, inbox, presence }),
      ...presenceRoutes({ reader, presence }),
      ...timelineRoutes({ logOf, open }),
      ...messageRoutes({ reader, logOf, open, showMedia, inbox }),
      ...attentionRoutes({ reader, open, showMedia, inbox }),
      ...sendingRoutes({ inbox, reader, checkMedia: createCheckMedia({ commands, canConvert: async () => false }) }),
      ...diffRoutes({ logOf, open, directory: { channelOf: () => undefined } }),
      ...contactRoutes({ reader, readerAt, logOf, open }),
      ...phoneRoutes({ validatePhone }),
      ...deliveryRoutes({ reader, logOf }),
      ...replayRoutes({
        replay,
        replays: createReplays({ commands, store, pool: pools.worker }),
        find: (...wanted) => stuckDeliveries(operatorQueries(pools.worker), ...wanted),
        head: store.head,
      }),
      ...parkedRoutes(
        createDealWithParked({
          tools: createParkedTools({ pool: pools.worker, store, projections }),
          commands,
          settleAlert: createSettleAlert({ commands }),
        }),
      ),
      ...projectionRoutes({
        progressOf: applied.progress,
        intake: createIntakeWatch({ pool: pools.worker, store, clock: () => new Date() }).progress,
        reader,
      }),
      ...eventRoutes({ logOf, open }),
      ...eventExportRoutes({ logOf, open }),
      ...auditRoutes({ reader, logOf, open, eventsAt: house.eventsAt }),
      ...asyncApiRoutes({ version: 'test' }),
    ],
    authenticate,
    audit: createAuditTrail({ store, vault }),
    idempotency: createKeptAnswers({ pool: pools.api, vault }),
    readAfter: house.readAfter,
    clock: () => new Date(),
    log: silent,
    version: 'test',
    limits,
    mount: (express) => mountPages(express, {}),
  })
  const origin = await house.serve((req, res) => void app(req, res), feed)

  const context = (tenantId: string, commandId: string = randomUUID()): CommandContext => ({
    tenantId,
    actor: { kind: 'process', id: 'test' },
    commandId,
    correlationId: commandId,
    causationId: commandId,
    at: new Date(),
  })

  return {
    house,
    store,
    vault,
    inbox,
    hub,
    feed,
    moments,
    applied,
    context,
    pools,
    refused,
    /** What the customer would see of us, as far as requests asked for it. */
    seen,
    scopesOf,
    /** A tenant with a connected number. */
    async tenant() {
      const tenantId = randomUUID()
      const channelId = randomUUID()
      const connection = { verified: false, facts: { displayPhone: '+34 600 000 000' } }
      await commands.execute(
        channel,
        channelId,
        { type: 'add', name: 'Ventas', phoneNumberId: '1', wabaId: '2', accessToken: 'secret', connection },
        context(tenantId),
      )
      return { tenantId, channelId, key: `key-${tenantId}` }
    },
    /** A customer's message, as the intake would record it. */
    async customerWrites({ tenantId, channelId }: { tenantId: string; channelId: string }, waId: string, text: string, name = 'Ana') {
      const { contactId } = await meetContact({ waId, name }, 'inbound', context(tenantId))
      const id = conversationId(tenantId, channelId, contactId)
      const providerId = `wamid.${createHash('sha1').update(randomUUID()).digest('hex')}`
      const messageId = inboundMessageId(tenantId, channelId, providerId)
      const command = {
        type: 'receive' as const,
        channelId,
        contactId,
        messageId,
        providerId,
        messageType: 'text',
        content: JSON.stringify({ text: { body: text } }),
        at: new Date().toISOString(),
      }
      const outcome = await commands.execute(conversation, id, command, context(tenantId))
      if (!('position' in outcome)) throw new Error('a customer may always write')
      return { conversationId: id, contactId, messageId, providerId, position: outcome.position }
    },
    /** What the sender and the provider do with a queued message. */
    provider: (tenantId: string, id: string, command: Parameters<typeof conversation.decide>[0]) =>
      commands.execute(conversation, id, command, context(tenantId)),
    url: `http://${origin}`,
    async call(key: string | undefined, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(`http://${origin}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const json = /[/+]json/.test(response.headers.get('content-type') ?? '')
        ? (JSON.parse(text) as Record<string, unknown>)
        : ({} as Record<string, unknown>)
      return { status: response.status, headers: response.headers, text, json }
    },
    /** A feed client that keeps what it was sent. */
    listen(first: unknown) {
      const socket = new WebSocket(`ws://${origin}/v1/feed`)
      const frames: Frame[] = []
      const waiting = new Set<() => void>()
      let closeCode: number | undefined
      const look = (): void => {
        for (const one of waiting) one()
      }
      socket.on('open', () => {
        if (first !== undefined) socket.send(typeof first === 'string' ? first : JSON.stringify(first))
      })
      socket.on('message', (data) => {
        frames.push(JSON.parse((data as Buffer).toString()) as Frame)
        look()
      })
      socket.on('error', () => undefined)
      socket.on('close', (code) => {
        closeCode = code
        look()
      })
      return {
        socket,
        frames,
        events: () => frames.filter(({ id }) => id !== undefined),
        closeCode: () => closeCode,
        until(enough: () => boolean, timeoutMs = 45_000): Promise<void> {
          if (enough()) return Promise.resolve()
          return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
              waiting.delete(check)
              reject(new Error(`not within ${timeoutMs} ms; seen: ${frames.map(({ type }) => type).join(' ')} close ${closeCode}`))
            }, timeoutMs)
            const check = (): void => {
              if (!enough()) return
              clearTimeout(timer)
              waiting.delete(check)
              resolve()
            }
            waiting.add(check)
          })
        },
      }
    },
    async stop() {
      await feed.close()
      await house.close(() => Promise.all([hub.ended, watch.ended, moments.ended()]))
    },
  }
}
