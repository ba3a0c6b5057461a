import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { alertRoutes } from '../../src/api/alerts/routes.ts'
import { profileRoutes } from '../../src/api/channels/profile-routes.ts'
import { channelRoutes } from '../../src/api/channels/routes.ts'
import { metricsRoute } from '../../src/api/config/metrics-route.ts'
import { configRoutes } from '../../src/api/config/routes.ts'
import { createApp } from '../../src/api/http/app.ts'
import { createAuthenticate } from '../../src/api/http/authenticate.ts'
import { createKeptAnswers } from '../../src/api/http/kept-answers.ts'
import { createRateLimits, type RateLimitOptions } from '../../src/api/http/rate-limit.ts'
import { operationsRoutes, type Check } from '../../src/api/operations/routes.ts'
import { keyRoutes } from '../../src/api/tenants/key-routes.ts'
import { tenantRoutes } from '../../src/api/tenants/routes.ts'
import { createRaiseAlert, createResolveAlert, createSettleAlert } from '../../src/commands/alerts/alerts.ts'
import { createAddChannel } from '../../src/commands/channels/add-channel.ts'
import { createChangeChannel, createDisconnectChannel } from '../../src/commands/channels/change-channel.ts'
import { createConnectChannel, createTestChannel } from '../../src/commands/channels/check-channel.ts'
import { createChangeProfile, createReadProfile } from '../../src/commands/channels/profile.ts'
import { createRemoveChannel } from '../../src/commands/channels/remove-channel.ts'
import { createWebhookAddressOf } from '../../src/commands/channels/webhooks.ts'
import { createDirectory } from '../../src/commands/directory/directory.ts'
import { createCommands } from '../../src/commands/kernel/execute.ts'
import type { CallResult, CloudApi, CloudApiAccount } from '../../src/commands/ports/cloud-api.ts'
import type { BusinessProfile, ProfilesApi } from '../../src/commands/ports/profiles-api.ts'
import { createIssueApiKey, createRevokeApiKey } from '../../src/commands/tenants/api-keys.ts'
import { createMoments } from '../../src/projections/engine/moments.ts'
import { createReaderAt } from '../../src/api/past/lists.ts'
import { createTenantCreation } from '../../src/commands/tenants/create-tenant.ts'
import { createGovernTenant } from '../../src/commands/tenants/govern-tenant.ts'
import type { NumberFacts } from '../../src/domain/channel/events.ts'
import type { Position } from '../../src/domain/kernel/position.ts'
import { tenantQueries } from '../../src/postgres/queries.ts'
import { operatorQueries } from '../../src/projections/engine/operator.ts'
import { projections as all } from '../../src/projections/index.ts'
import { openHouse } from './house.ts'

export type Office = Awaited<ReturnType<typeof startOffice>>
/** `json` as it came; `said` picks a text out of it by path, `list` its page. */
export type Reply = { status: number; headers: Headers; text: string; json: unknown; said: (...path: string[]) => string; list: { id: string }[] }

const pick = (json: unknown, path: readonly string[]): unknown =>
  path.reduce((value: unknown, name) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined), json)

export const operatorKey = 'operator-key-of-the-tests'
const names = ['tenants', 'apiKeys', 'channels', 'alerts', 'usage']

/**
 * The administration as one process serves it, on a database of its own: log, vault, directory, read models, routes.
 * Meta is played by `provider`: tests say what it answers to and look at what it was asked.
 */
export async function startOffice(options: { rateLimits?: RateLimitOptions; checks?: Record<string, Check> } = {}) {
  const projections = all.filter(({ name }) => names.includes(name))
  const house = await openHouse(projections)
  const { db, pools, store, vault, applied } = house
  const logLines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void logLines.push(line) })
  const clock = () => new Date()
  const provider = playMeta()
  const idempotency = createKeptAnswers({ pool: pools.api, vault, waitMs: 1_000 })

  /** What one process holds in memory. A second one shares the database and nothing else. */
  function process() {
    const directory = createDirectory({
      store,
      vault,
      clock,
      onFailed: (error) => {
        throw error
      },
    })
    const webhookAddressOf = createWebhookAddressOf({ directory, vault, publicUrl: 'https://recado.example' })
    const commands = createCommands({ store, vault })
    const deps = { commands, vault, directory, cloudApi: provider.cloudApi, profiles: provider.profiles, webhookAddressOf }
    const removeChannel = createRemoveChannel(deps)
    return {
      ...deps,
      addChannel: createAddChannel(deps),
      changeChannel: createChangeChannel(deps),
      testChannel: createTestChannel(deps),
      connectChannel: createConnectChannel(deps),
      disconnectChannel: createDisconnectChannel(deps),
      readProfile: createReadProfile(deps),
      changeProfile: createChangeProfile(deps),
      raiseAlert: createRaiseAlert(deps),
      settleAlert: createSettleAlert(deps),
      resolveAlert: createResolveAlert(deps),
      removeChannel,
      createTenant: createTenantCreation(deps),
      governTenant: createGovernTenant({ ...deps, removeChannel }),
      issueApiKey: createIssueApiKey(deps),
      revokeApiKey: createRevokeApiKey(deps),
    }
  }

  const here = process()
  await here.directory.ready()
  const queries = tenantQueries(pools.api)
  const { logOf, scan, index } = house
  const moments = createMoments({ pool: pools.worker, copyPool: pools.copy, reader: queries, scan, index, signal: house.signal, log })
  const routeDeps = {
    ...here,
    queries,
    logOf,
    readerAt: createReaderAt({ reader: queries, logOf, moments }),
    acrossTenants: operatorQueries(pools.worker),
    readAfter: house.readAfter,
    publicUrl: 'https://recado.example',
  }
  const app = createApp({
    routes: [
      ...tenantRoutes(routeDeps),
      ...keyRoutes(routeDeps),
      ...channelRoutes(routeDeps),
      ...profileRoutes(routeDeps),
      ...alertRoutes({ ...routeDeps, reader: queries }),
      ...configRoutes(routeDeps),
      metricsRoute({ ...routeDeps, directory: here.directory, clock }),
      ...operationsRoutes({ checks: options.checks ?? {}, metrics: new Registry(), version: 'test', engine: 'PostgreSQL' }),
    ],
    authenticate: createAuthenticate({ directory: here.directory, operatorKey }),
    idempotency,
    readAfter: house.readAfter,
    clock,
    log,
    version: 'test',
    limits: createRateLimits(options.rateLimits),
  })
  const origin = `http://${await house.serve((req, res) => void app(req, res))}`

  async function call(key: string | undefined, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await fetch(`${origin}${path}`, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    const json: unknown = isJson ? JSON.parse(text) : {}
    const said = (...path: string[]): string => String(pick(json, path))
    return { status: response.status, headers: response.headers, text, json, said, list: (pick(json, ['data']) ?? []) as { id: string }[] }
  }

  let made = 0
  return {
    db,
    origin,
    store,
    vault,
    pools,
    provider,
    idempotency,
    applied,
    logLines,
    process,
    here,
    call,
    /** An organisation and its first key. */
    async tenant(): Promise<{ id: string; key: string; slug: string }> {
      const slug = `org-${++made}-${randomBytes(3).toString('hex')}`
      const { said, headers } = await call(operatorKey, 'POST', '/v1/tenants', { name: `Org ${made}`, slug })
      await applied.waitFor(names, headers.get('x-position') as Position, 40_000)
      return { id: said('tenant', 'id'), key: said('api_key', 'key'), slug }
    },
    stop: () => house.close(() => here.directory.close()),
  }
}

/** Meta as far as connecting a number needs it. `tokens` are accepted; `away` makes it unreachable. */
function playMeta() {
  const state = {
    tokens: new Set(['EAAG-good-token', 'EAAG-newer-token']),
    away: false,
    facts: { displayPhone: '+1 555-010-0000', verifiedName: 'Acme', qualityRating: 'GREEN' } as NumberFacts,
    asked: [] as { what: string; account: CloudApiAccount; more?: unknown }[],
    /** Whether Meta gets the right answer when it asks a webhook address for its challenge. */
    challenge: true,
    profile: { about: 'Open from 9' } as BusinessProfile,
  }
  function answer<T>(what: string, account: CloudApiAccount, good: T, more?: unknown): Promise<CallResult<T>> {
    state.asked.push({ what, account, ...(more === undefined ? {} : { more }) })
    if (state.away) return Promise.resolve({ unreachable: 'ECONNREFUSED' })
    if (!state.tokens.has(account.accessToken)) {
      return Promise.resolve({ error: { code: 190, status: 401, message: 'Error validating access token', fbtraceId: 'Axyz' } })
    }
    return Promise.resolve({ ok: good })
  }
  const cloudApi: CloudApi = {
    send: () => Promise.reject(new Error('nothing is sent here')),
    markRead: (account) => answer('markRead', account, true as const),
    describeNumber: (account) => answer('describeNumber', account, state.facts),
    subscribeApp: (account, address) =>
      address === undefined || state.challenge
        ? answer('subscribeApp', account, true as const, address)
        : Promise.resolve({ error: { code: 2200, status: 400, message: '(#2200) Callback verification failed' } }),
    close: () => Promise.resolve(),
  }
  const profiles: ProfilesApi = {
    readProfile: (account) => answer('readProfile', account, state.profile),
    writeProfile(account, { pictureHandle: _picture, ...change }) {
      if (change.about === 'refuse me') return Promise.resolve({ error: { code: 100, status: 400, message: '(#100) Invalid parameter' } })
      state.profile = { ...state.profile, ...change }
      return answer('writeProfile', account, true as const)
    },
  }
  return { cloudApi, profiles, state }
}
