import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { schemaOf, tableOf } from '../../src/projections/engine/naming.ts'
import { projections } from '../../src/projections/index.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { freshDatabase } from '../support/database.ts'
import { auditOf } from '../support/log-audit.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { runRecado } from '../support/processes.ts'
import { checkTopic } from './engines.ts'
import { followFeed, type FeedClient } from './feed-client.ts'
import { answerEverybody, checkOutcome, lanes, type Every, type Page } from './outcome.ts'
import { createScenario } from './scenario.ts'
import { createAsk, startPlace, type Ask, type Place } from './several-processes.ts'
import { whatIsBehind } from './what-is-behind.ts'

export type ClusterOptions = {
  /** How long, or until how many were killed or restarted. */
  readonly until: { readonly seconds: number } | { readonly ends: number }
  /** Between two of them. */
  readonly everyMs: number
  readonly seed: number
  /** `EVENT_STORE` and the like, for all processes; those of the environment without it. */
  readonly engines?: Readonly<Record<string, string>>
  /** A PostgreSQL server; one to throw away without it. */
  readonly server?: string
  readonly log?: (line: string) => void
}

export type ClusterReport = {
  readonly kills: number
  readonly restarts: number
  readonly acknowledged: number
  readonly messages: number
  readonly statuses: number
  readonly sends: number
  /** Left by a kill between call and answer: nobody can know, and nothing repeats them by itself. */
  readonly unknown: number
  readonly feed: { readonly frames: number; readonly reconnects: number; readonly resyncs: number }
  /** Records of the topic of events, where there is one. */
  readonly published?: number
  /** Reads at one process of what was written at another. `stale`: said so in their answer. */
  readonly readsAfterWrites: { readonly fresh: number; readonly stale: number }
  /** From the first try of a delivery to its 200, at whichever process. */
  readonly slowestDeliveryMs: number
  readonly settledAfterMs: number
  readonly slowestStopMs: number
  readonly wrong: readonly string[]
}

const secret = 'sweep-app-secret'
const operatorKey = 'sweep-operator-key'
const phoneNumberId = '300300300300300'
const phones = Array.from({ length: 12 }, (_, n) => `5491144440${String(n).padStart(3, '0')}`)

/** What an operator would set for all processes: the engines, from the environment of the test. */
const passedOn = ['EVENT_STORE', 'EVENTSTOREDB_URL', 'PROJECTION_SOURCE', 'KAFKA_BROKERS'] as const
const given = (): Readonly<Record<string, string>> =>
  Object.fromEntries(passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))

/**
 * Two api and two worker processes on one set of engines. Deliveries come to both apis, repeated, shuffled and re-batched; people answer at both; three feeds
 * listen. One process at a time is killed, with -9 or SIGTERM, and comes back at once. In the end there must be what one undisturbed process would have left:
 * the log and the read models agree with what was sent, every read model with a fold of the log by a single pass, each answer went out once and in its
 * order, and all feeds told everything once.
 */
export async function clusterSweep({
  until,
  everyMs,
  seed,
  engines = given(),
  server,
  log = () => undefined,
}: ClusterOptions): Promise<ClusterReport> {
  const own = server === undefined ? await startThrowAwayPostgres() : undefined
  const database = await freshDatabase(server ?? own?.url)
  const simulator = await startSimulator({
    appSecret: secret,
    verifyToken: 'sweep',
    switches: { window: 'off', throughput_per_second: 0, auto_deliver: false, drop_statuses: ['sent', 'delivered', 'read'], auto_customers: true },
  })
  const number = simulator.addNumber({ phone_number_id: phoneNumberId, waba_id: '400400400400400' })
  const env = {
    ...engines,
    // Topics of its own: a broker may have those of another run.
    KAFKA_TOPIC_PREFIX: `sweep-${randomUUID().slice(0, 8)}`,
    DATABASE_URL: database.url,
    RECADO_DEMO: '0',
    RECADO_MASTER_KEY: Buffer.alloc(32, 9).toString('base64'),
    RECADO_OPERATOR_KEY: operatorKey,
    META_APP_SECRET: secret,
    META_VERIFY_TOKEN: 'sweep',
    META_GRAPH_URL: simulator.url,
    LOG_LEVEL: 'info',
  }
  const places: Place[] = []
  const feeds: FeedClient[] = []
  const wrong: string[] = []
  try {
    // The first one migrates; more of them at once would wait for it.
    for (const [name, role] of [
      ['worker 1', 'worker'],
      ['worker 2', 'worker'],
      ['api 1', 'api'],
      ['api 2', 'api'],
    ] as const)
      places.push(await startPlace(name, role, env))
    const urls = places.filter(({ role }) => role === 'api').map(({ url }) => url)
    log(`  ${places.length} processes run`)
    const operator = createAsk(urls, operatorKey)
    const { body: made } = await operator<{ api_key: { key: string } }>('POST', '/v1/tenants', { body: { name: 'Sweep', slug: 'sweep' } })
    const ask = createAsk(urls, made.api_key.key)
    const token = simulator.addToken()
    await ask('POST', '/v1/channels', {
      body: { kind: 'business', name: 'Sweep', phone_number_id: number.id, waba_id: number.waba_id, access_token: token, verify: false },
      headers: { 'idempotency-key': randomUUID() },
    })
    const every: Every = async (path) => everyPage(ask, path)
    const scenario = createScenario({ seed, phoneNumberId, phones, secret })
    const deliveries = createDelivering(urls, wrong)
    for (const phone of phones) await deliveries.deliver(scenario.opening(phone))
    await settled(ask, { env, log })
    const outgoing = await answerEverybody({ post: async (path, body) => ask('POST', path, { body }), every, simulator })
    await settled(ask, { env, log })
    // Two that know one process each, and one that goes from one to the other all the time.
    feeds.push(...urls.map((url) => followFeed([url], made.api_key.key)), followFeed(urls, made.api_key.key, { restlessMs: 300 }))

    const over = new AbortController()
    const pouring = (async () => {
      while (!over.signal.aborted) {
        await Promise.all(
          lanes(scenario.chunk(60, outgoing), 12).map(async (lane) => {
            for (const delivery of lane) await deliveries.deliver(delivery)
          }),
        )
        await sleep(200)
      }
    })()
    const answering = answer({ ask, every, urls, signal: over.signal, pauseMs: 400, wrong, random: scenario.random })
    const { kills, restarts, slowestStopMs } = await killOneByOne(places, { until, everyMs, random: scenario.random, log })
    over.abort()
    await pouring
    const { sends, readsAfterWrites } = await answering
    const began = performance.now()
    await settled(ask, { env, log })
    await allTried(every)
    await settled(ask, { env, log })
    const settledAfterMs = Math.round(performance.now() - began)

    const acknowledged = deliveries.acknowledged()
    const { messages, statuses } = await checkOutcome({
      every,
      acknowledged,
      expected: scenario.expected,
      phones,
      wrong,
      mayBe: new Set(['unknown']),
    })
    const unknown = await checkSends({ every, sends, simulator, wrong })
    await checkFeeds({ feeds, every, wrong })
    const audit = await auditOf(env)
    if (audit.holes + audit.brokenStreams + audit.eventsTwice + audit.timeTurned > 0) wrong.push(`the log: ${JSON.stringify(audit)}`)
    await checkAgainstOneFold({ url: database.url, env, wrong, log, ask })
    const topic = await checkTopic(env, wrong, async () => void (await Promise.all(places.map(({ stop }) => stop()))))
    for (const { name, said } of places) for (const line of said()) if (line.includes('"level":60')) wrong.push(`${name} said: ${line}`)
    return {
      kills,
      restarts,
      acknowledged,
      messages,
      statuses,
      sends: sends.length,
      unknown,
      feed: {
        frames: sum(feeds.map(({ frames }) => frames().length)),
        reconnects: sum(feeds.map(({ reconnects }) => reconnects())),
        resyncs: sum(feeds.map(({ resyncs }) => resyncs())),
      },
      ...topic,
      readsAfterWrites,
      slowestDeliveryMs: deliveries.slowestMs(),
      settledAfterMs,
      slowestStopMs,
      wrong,
    }
  } catch (error) {
    for (const { name, said } of places) log(`--- ${name}\n${said().slice(-15).join('\n')}`)
    throw error
  } finally {
    await Promise.all(feeds.map(({ close }) => close()))
    await Promise.all(places.map(({ stop }) => stop()))
    await simulator.close()
    await own?.stop()
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

async function everyPage<T>(ask: Ask, path: string): Promise<T[]> {
  const all: T[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body }: { body: Page<T> } = await ask('GET', `${path}${path.includes('?') ? '&' : '?'}limit=200${more}`)
    all.push(...body.data)
    cursor = body.next_cursor
  }
  return all
}

/** A delivery that got no 200 is sent again until it does, as Meta would; to the other process, as a proxy would. */
function createDelivering(urls: readonly string[], wrong: string[]) {
  const acknowledged = new Set<string>()
  let turn = 0
  let slowest = 0
  return {
    async deliver({ body, signature }: { body: string; signature: string }): Promise<void> {
      const began = performance.now()
      for (let at = turn++; ; at++) {
        const url = urls[at % urls.length] ?? ''
        const status = await fetch(`${url}/webhooks/meta`, { method: 'POST', body, headers: { 'x-hub-signature-256': signature } }).then(
          async (answer) => answer.arrayBuffer().then(() => answer.status),
          () => 0,
        )
        if (status === 200) {
          acknowledged.add(body)
          slowest = Math.max(slowest, performance.now() - began)
          return
        }
        if (status !== 0 && status !== 503) wrong.push(`a delivery was answered with ${status}`)
        await sleep(20)
      }
    },
    acknowledged: () => acknowledged.size,
    slowestMs: () => Math.round(slowest),
  }
}

/** Nothing is behind. Says what is, when that takes long, and gives up after five minutes: whatever is still to be repaired then does not repair itself. */
async function settled(ask: Ask, { env, log }: { env: Readonly<Record<string, string>>; log: (line: string) => void }): Promise<void> {
  const began = performance.now()
  let told = began
  for (let calm = 0; calm < 3;) {
    const { body: progress } = await ask<{ name: string; lag_events: number | null; parked: number; state: string }[]>('GET', '/v1/projections')
    if (progress.some(({ parked }) => parked > 0)) throw new Error('events were parked')
    calm = progress.every(({ lag_events: lag }) => lag === 0) ? calm + 1 : 0
    await sleep(100)
    if (performance.now() - told < tellMs) continue
    told = performance.now()
    const behind = progress
      .filter(({ lag_events: lag }) => lag !== 0)
      .map(({ name, state, lag_events: lag }) => `${name} (${state}, ${lag ?? 'unknown'})`)
    log(`  settling for ${Math.round((told - began) / 1_000)} s; behind: ${behind.join(', ')}`)
    for (const line of await whatIsBehind(env)) log(`    ${line}`)
    if (told - began > giveUpMs) throw new Error(`not settled after ${giveUpMs / 60_000} minutes`)
  }
}

const tellMs = 30_000
const giveUpMs = 300_000

/** Until no answer waits for its turn any more: those of a killed sender wait for its lease to lapse. */
async function allTried(every: Every): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const open: unknown[] = []
    for (const { id } of await every<{ id: string }>('/v1/conversations'))
      open.push(
        ...(await every<{ status: string }>(`/v1/conversations/${id}/messages`)).filter(({ status }) => status === 'queued' || status === 'sending'),
      )
    if (open.length === 0) return
    await sleep(200)
  }
  throw new Error('messages still wait to be sent')
}

async function killOneByOne(
  places: readonly Place[],
  { until, everyMs, random, log }: { until: ClusterOptions['until']; everyMs: number; random: () => number; log: (line: string) => void },
): Promise<{ kills: number; restarts: number; slowestStopMs: number }> {
  const began = performance.now()
  let kills = 0
  let restarts = 0
  let slowestStopMs = 0
  for (let turn = 0; 'ends' in until ? turn < until.ends : performance.now() < began + until.seconds * 1_000; turn++) {
    // By the clock: how long a process needs to come back is not added to the pause.
    await sleep(Math.max(500, began + (turn + 0.7 + 0.6 * random()) * everyMs - performance.now()))
    // Everybody's turn comes; who it is within a round is left to chance no more than whether it is told before.
    const place = places[turn % places.length]
    if (place === undefined) break
    if (turn % 3 === 2) {
      const took = await place.restart()
      slowestStopMs = Math.max(slowestStopMs, Math.round(took))
      restarts++
      log(`  ${place.name} restarted in order (${Math.round(took)} ms to stop)`)
    } else {
      await place.kill()
      kills++
      log(`  ${place.name} killed`)
    }
  }
  return { kills, restarts, slowestStopMs }
}

type Sent = { readonly messageId: string; readonly conversationId: string }

/**
 * A person who answers, now here and now there, repeats what got no answer under the same Idempotency-Key, some things also without need, and looks at the
 * other process for what was just written.
 */
async function answer({
  ask,
  every,
  urls,
  signal,
  pauseMs,
  wrong,
  random,
}: {
  ask: Ask
  every: Every
  urls: readonly string[]
  signal: AbortSignal
  pauseMs: number
  wrong: string[]
  random: () => number
}): Promise<{ sends: readonly Sent[]; readsAfterWrites: { fresh: number; stale: number } }> {
  const conversations = await every<{ id: string }>('/v1/conversations')
  const sends: Sent[] = []
  const readsAfterWrites = { fresh: 0, stale: 0 }
  for (let n = 0; !signal.aborted; n++) {
    const conversationId = conversations[n % conversations.length]?.id ?? ''
    const path = `/v1/conversations/${conversationId}/messages`
    const wish = { body: { text: `during ${n}` }, headers: { 'idempotency-key': randomUUID() } }
    const { body, headers, from } = await ask<{ id: string }>('POST', path, { ...wish, at: n })
    sends.push({ messageId: body.id, conversationId })
    const other = urls.findIndex((url) => url !== from)
    if (random() < 0.2) {
      const { body: repeated } = await ask<{ id: string }>('POST', path, { ...wish, at: other })
      if (repeated.id !== body.id) wrong.push(`one wish became two messages: ${body.id} and ${repeated.id}`)
    }
    const after = headers.get('x-position')
    if (after === null) wrong.push('a command was answered without X-Position')
    else {
      const read = await ask<Page<{ id: string }>>('GET', `${path}?limit=200`, { headers: { 'x-read-after': after }, at: other })
      const isStale = read.headers.get('x-stale') === 'true'
      readsAfterWrites[isStale ? 'stale' : 'fresh']++
      if (!isStale && !read.body.data.some(({ id }) => id === body.id))
        wrong.push(`message ${body.id} was not seen at the other process after its write`)
    }
    await sleep(pauseMs)
  }
  return { sends, readsAfterWrites }
}

/** Each answer went out once, in the order of its conversation; or a kill left it unknown, and then at most once. */
async function checkSends({
  every,
  sends,
  simulator,
  wrong,
}: {
  every: Every
  sends: readonly Sent[]
  simulator: Simulator
  wrong: string[]
}): Promise<number> {
  const arrived = new Map<string, number>()
  simulator.sentMessages().forEach(({ callback_data: id = '' }, place) => {
    if (arrived.has(id)) wrong.push(`message ${id} was sent twice`)
    arrived.set(id, place)
  })
  let unknown = 0
  for (const conversationId of new Set(sends.map((sent) => sent.conversationId))) {
    const statusOf = new Map(
      (await every<{ id: string; status: string }>(`/v1/conversations/${conversationId}/messages`)).map(({ id, status }) => [id, status]),
    )
    let last = -1
    for (const { messageId } of sends.filter((sent) => sent.conversationId === conversationId)) {
      const status = statusOf.get(messageId)
      const place = arrived.get(messageId)
      if (status === 'unknown') unknown++
      else if (status !== 'sent' || place === undefined)
        wrong.push(`message ${messageId} is ${status}, and the provider ${place === undefined ? 'never got it' : 'has it'}`)
      if (place === undefined) continue
      if (place < last) wrong.push(`message ${messageId} overtook another one of its conversation`)
      last = place
    }
  }
  return unknown
}

/** All feeds told of every message, each thing once, in the order of the log. A feed that was told to resync may have left something out. */
async function checkFeeds({ feeds, every, wrong }: { feeds: readonly FeedClient[]; every: Every; wrong: string[] }): Promise<void> {
  const events = await every<{ id: string; position: string }>('/v1/events?type=MessageReceived')
  for (const [nth, feed] of feeds.entries()) {
    const last = events.reduce((most, { position }) => (position > most ? position : most), '')
    for (let tries = 0; feed.position() < last && tries < 300; tries++) await sleep(100)
    const told = feed.frames().filter(({ type }) => type === 'message.received')
    const positions = told.map(({ position }) => position)
    if (new Set(told.map(({ id }) => id)).size !== told.length) wrong.push(`feed ${nth + 1} told something twice`)
    if (positions.some((position, place) => position < (positions[place - 1] ?? ''))) wrong.push(`feed ${nth + 1} went back`)
    const known = new Set(positions)
    const first = positions[0] ?? ''
    const missing = events.filter(({ position }) => position > first && !known.has(position))
    if (missing.length > 0 && feed.resyncs() === 0) wrong.push(`feed ${nth + 1} left out ${missing.length} messages`)
    if (told.length === 0) wrong.push(`feed ${nth + 1} told nothing`)
  }
}

/** Every read model, as several writers left it by turns, is what one pass over the log makes. */
async function checkAgainstOneFold({
  url,
  env,
  ask,
  wrong,
  log,
}: {
  url: string
  env: Readonly<Record<string, string>>
  ask: Ask
  wrong: string[]
  log: (line: string) => void
}): Promise<void> {
  const pool = createPool({ url, role: 'owner', max: 1, name: 'cluster' })
  const contents = async (): Promise<Map<string, Set<string>>> => {
    const all = new Map<string, Set<string>>()
    for (const projection of projections) {
      const { rows } = await pool.query<{ line: string }>(`select r::text as line from ${schemaOf(projection)}.${tableOf(projection)} r`)
      all.set(projection.name, new Set(rows.map(({ line }) => line)))
    }
    return all
  }
  try {
    const live = await contents()
    log('  every read model is built anew, to compare')
    const rebuilt = await runRecado(['projections', 'rebuild', 'all', '--follow'], env)
    if (rebuilt.code !== 0) wrong.push(`the rebuild ended with ${rebuilt.code}: ${rebuilt.lines.slice(-5).join(' | ')}`)
    await settled(ask, { env, log })
    const fresh = await contents()
    for (const [name, rows] of live) {
      const anew = fresh.get(name) ?? new Set<string>()
      const differing = rows.symmetricDifference(anew)
      // What a person's request or look adds while we ask is in one of the two only.
      if (differing.size > 0 && name !== 'audit')
        wrong.push(`${name}: ${differing.size} rows differ from one fold of the log, such as ${[...differing][0]?.slice(0, 300)}`)
    }
  } finally {
    await pool.end()
  }
}
