import type { RequestListener } from 'node:http'
import type { Logger } from 'pino'
import { alertRoutes } from '../api/alerts/routes.ts'
import { auditRoutes } from '../api/audit/routes.ts'
import { historySyncRoutes } from '../api/channels/history-sync.ts'
import { profileRoutes } from '../api/channels/profile-routes.ts'
import { channelRoutes } from '../api/channels/routes.ts'
import { createMediaLinks } from '../api/media/links.ts'
import { mediaRoutes } from '../api/media/routes.ts'
import { createRenderStored, createShowMedia, type MediaViewing, type ShowMedia } from '../api/media/view.ts'
import { renderChannel } from '../api/channels/render.ts'
import { metricsRoute } from '../api/config/metrics-route.ts'
import { configRoutes } from '../api/config/routes.ts'
import { contactRoutes } from '../api/contacts/routes.ts'
import { presenceRoutes } from '../api/conversations/presence.ts'
import { conversationRoutes } from '../api/conversations/routes.ts'
import { timelineRoutes } from '../api/conversations/timeline.ts'
import { replayRoutes } from '../api/deliveries/replay-routes.ts'
import { deliveryRoutes } from '../api/deliveries/routes.ts'
import { eventExportRoutes } from '../api/events/export/routes.ts'
import { eventRoutes } from '../api/events/routes.ts'
import { asyncApiRoutes } from '../api/feed/asyncapi.ts'
import { createFeed, type Feed } from '../api/feed/feed.ts'
import { createHub } from '../api/feed/hub.ts'
import { createFeedRenderer, feedReads } from '../api/feed/render.ts'
import { watchRebuilds } from '../api/feed/watch-rebuilds.ts'
import { createApp } from '../api/http/app.ts'
import { createAuthenticate } from '../api/http/authenticate.ts'
import { createKeptAnswers } from '../api/http/kept-answers.ts'
import { createRateLimits } from '../api/http/rate-limit.ts'
import { createOpener } from '../api/messages/opening.ts'
import { attentionRoutes } from '../api/messages/attention.ts'
import { messageRoutes } from '../api/messages/routes.ts'
import { sendingRoutes } from '../api/messages/sending.ts'
import { operationsRoutes } from '../api/operations/routes.ts'
import { diffRoutes } from '../api/past/diff.ts'
import { createReaderAt, type ReaderAt } from '../api/past/lists.ts'
import { mountPages, type DemoSession } from '../api/pages/pages.ts'
import { createAuditTrail } from '../commands/audit/trail.ts'
import { validatePhone } from '../commands/contacts/validate-phone.ts'
import { phoneRoutes } from '../api/phones/routes.ts'
import { createDealWithParked } from '../api/projections/deal-with-parked.ts'
import { parkedRoutes } from '../api/projections/parked-routes.ts'
import { rebuildRoutes } from '../api/projections/rebuilds.ts'
import { projectionRoutes } from '../api/projections/routes.ts'
import { keyRoutes } from '../api/tenants/key-routes.ts'
import { renderTemplate } from '../api/templates/render.ts'
import { templateRoutes } from '../api/templates/routes.ts'
import { tenantRoutes } from '../api/tenants/routes.ts'
import { webhookFront, type WebhookApp } from '../api/webhooks/front.ts'
import { refuseOtherMethods } from '../api/webhooks/other-methods.ts'
import { signingKeys } from '../api/webhooks/signature.ts'
import { createNewest } from '../commands/directory/newest.ts'
import { verifyTokenOf } from '../commands/directory/hook.ts'
import type { IntakeWatch } from '../commands/processes/intake/progress.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../domain/kernel/clock.ts'
import { StoreUnavailable } from '../domain/kernel/event-store.ts'
import { tenantQueries } from '../postgres/queries.ts'
import type { AppliedPositions } from '../projections/engine/applied-positions.ts'
import { createMoments } from '../projections/engine/moments.ts'
import { operatorQueries } from '../projections/engine/operator.ts'
import { createRebuilds, type Rebuilds } from '../projections/engine/rebuilds.ts'
import { projections } from '../projections/index.ts'
import { stuckDeliveries } from '../projections/deliveries/queries.ts'
import { createParkedTools } from '../projections/engine/retry-parked.ts'
import type { Metrics } from './metrics.ts'
import type { Storage } from './storage.ts'
import type { UseCases } from './use-cases.ts'

const version = '0.1.0'

export type HttpDeps = {
  readonly config: Config
  readonly storage: Storage
  readonly useCases: UseCases
  readonly applied: AppliedPositions
  readonly intake: IntakeWatch
  readonly metrics: Metrics
  readonly operatorKey: string
  readonly appSecrets: readonly string[]
  readonly verifyToken: string
  readonly demo: () => DemoSession | undefined
  /** Undefined, or what is still missing: a further part of readiness. */
  readonly starting: () => string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Webhooks on the bare server, everything else on Express, the feed on upgrade. */
export function createHttp(deps: HttpDeps): { listener: RequestListener; feed: Feed } {
  const { storage, useCases, applied, metrics, log, config } = deps
  const { directory } = useCases
  const reader = tenantQueries(storage.apiPool)
  const open = createOpener(storage.vault)
  const links = createMediaLinks({ vault: storage.vault, clock: deps.clock })
  const viewing = { reader, open, links, showMedia: createShowMedia({ reader, open, links }), renderMedia: createRenderStored({ open, links }) }
  const authenticate = createAuthenticate({ directory, operatorKey: deps.operatorKey })
  const hub = createHub({
    store: storage.store,
    shown: async (position, timeoutMs) => applied.waitFor(feedReads, position, timeoutMs),
    render: createFeedRenderer({
      ...viewing,
      renderChannel: (tenantId, row) => renderChannel(row, directory.channelOf(tenantId, row.id)),
      renderTemplate: (tenantId, row) => renderTemplate(row, directory.channelsOf(tenantId)),
    }),
    credentialsAt: directory.waitFor,
    signal: deps.signal,
    log,
  })
  const rebuilds = createRebuilds({ pool: storage.workerPool, projections })
  watchRebuilds({ hub, rebuilds, signal: deps.signal, log })
  const limits = createRateLimits()
  const feed = createFeed({ hub, store: storage.store, authenticate, countFailure: limits.countFailure, log })
  const moments = createMoments({
    pool: storage.workerPool,
    copyPool: storage.copyPool,
    reader,
    scan: storage.scan,
    index: storage.index,
    signal: deps.signal,
    log: log.child({ part: 'moments' }),
  })
  const readerAt = createReaderAt({ reader, logOf: storage.logOf, moments })
  const app = createApp({
    routes: routesOf(deps, { ...viewing, readerAt, rebuilds }),
    authenticate,
    newest: createNewest({ store: storage.store, directory }),
    audit: createAuditTrail(storage),
    idempotency: createKeptAnswers({ pool: storage.apiPool, vault: storage.vault }),
    readAfter: applied.waitFor,
    clock: deps.clock,
    log: log.child({ part: 'http' }),
    version,
    publicUrl: config.http.publicUrl,
    trustedProxies: config.http.trustedProxies,
    mount: (express) => {
      refuseOtherMethods(express)
      mountPages(express, { demo: deps.demo })
    },
    limits,
    onAnswer: metrics.onAnswer,
  })
  const listener = webhookFront({
    appOf: webhookApps(deps),
    receive: useCases.receive,
    onOutcome: metrics.onWebhook,
    onError: (error) => log.error({ err: error }, 'a webhook could not be taken'),
    otherwise: app,
  })
  return { listener, feed }
}

type Viewing = MediaViewing & { readonly showMedia: ShowMedia; readonly readerAt: ReaderAt; readonly rebuilds: Rebuilds }

function routesOf(
  { storage, useCases, applied, intake, metrics, config, starting, clock }: HttpDeps,
  { reader, readerAt, rebuilds, open, links, showMedia }: Viewing,
) {
  const { logOf, vault, workerPool } = storage
  const shared = { ...useCases, queries: reader, readerAt, logOf, readAfter: applied.waitFor, vault, publicUrl: config.http.publicUrl }
  return [
    ...operationsRoutes({
      checks: { ...checksOf(storage, applied, intake), start: () => Promise.resolve(starting()) },
      metrics: metrics.registry,
      version,
      engine: storage.engine,
    }),
    ...tenantRoutes({ ...shared, acrossTenants: operatorQueries(workerPool) }),
    ...keyRoutes(shared),
    ...channelRoutes(shared),
    ...historySyncRoutes(shared),
    ...profileRoutes(useCases),
    metricsRoute({ queries: reader, acrossTenants: operatorQueries(workerPool), directory: useCases.directory, clock }),
    ...configRoutes(shared),
    ...alertRoutes({ reader, readAfter: applied.waitFor, resolveAlert: useCases.resolveAlert }),
    ...conversationRoutes({ reader, readerAt, logOf, open, inbox: useCases.inbox, presence: useCases.presence }),
    ...presenceRoutes({ reader, presence: useCases.presence }),
    ...timelineRoutes({ logOf, open }),
    ...sendingRoutes({ reader, inbox: useCases.inbox, checkMedia: useCases.checkMedia }),
    ...mediaRoutes({ reader, open, links, upload: useCases.uploadMedia, store: storage.mediaStore, vault }),
    ...messageRoutes({ reader, logOf, open, showMedia, inbox: useCases.inbox }),
    ...attentionRoutes({ reader, open, showMedia, inbox: useCases.inbox }),
    ...templateRoutes(shared),
    ...diffRoutes({ logOf, open, directory: useCases.directory }),
    ...contactRoutes({ reader, readerAt, logOf, open }),
    ...phoneRoutes({ validatePhone }),
    ...deliveryRoutes({ reader, logOf }),
    ...replayRoutes({ ...useCases, find: (...wanted) => stuckDeliveries(operatorQueries(workerPool), ...wanted), head: storage.store.head }),
    ...parkedRoutes(createDealWithParked({ ...useCases, tools: createParkedTools({ pool: workerPool, store: storage.store, projections }) })),
    ...projectionRoutes({ progressOf: applied.progress, intake: intake.progress, reader }),
    ...rebuildRoutes({ rebuilds }),
    ...eventRoutes({ logOf, open }),
    ...eventExportRoutes({ logOf, open }),
    ...auditRoutes({ reader, logOf, open, eventsAt: storage.eventsAt }),
    ...asyncApiRoutes({ version }),
  ]
}

const checksOf = ({ apiPool, engine, store, takesAppends, checks }: Storage, applied: AppliedPositions, intake: IntakeWatch) => ({
  database: async () => {
    await apiPool.query('select 1')
    return undefined
  },
  store: async () => {
    try {
      await store.head()
      return undefined
    } catch (error) {
      if (error instanceof StoreUnavailable) return `${engine} does not answer`
      throw error
    }
  },
  ...(takesAppends === undefined ? {} : { appends: takesAppends }),
  ...Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, hurdle(check)])),
  projections: hurdle(async () => ((await applied.caughtUp()) ? undefined : 'catching up')),
  intake: intake.startedUp,
})

/** Asked until it was passed once: lag that comes later must not take every process out of service in the moment that needs them (ADR 0031). */
function hurdle(check: () => Promise<string | undefined>): () => Promise<string | undefined> {
  let passed = false
  return async () => {
    if (passed) return undefined
    const missing = await check()
    passed = missing === undefined
    return missing
  }
}

/** The default app of the installation, and tenants' own ones behind their hooks. */
function webhookApps({
  appSecrets,
  verifyToken,
  useCases,
  storage,
}: HttpDeps): (hook: string | undefined) => WebhookApp | undefined | Promise<WebhookApp | undefined> {
  const standing: WebhookApp = { name: 'default', keys: signingKeys(appSecrets), verifyToken }
  return (hook) => {
    if (hook === undefined) return standing
    return useCases.directory.appOfHook(hook).then(async (app) => {
      if (app === undefined) return undefined
      const { tenantId, channelId, secrets } = app
      await storage.vault.ensure(tenantId, [])
      return { name: channelId, keys: signingKeys(secrets), verifyToken: verifyTokenOf(storage.vault, tenantId, channelId), tenantId }
    })
  }
}
