import { setTimeout as sleep } from 'node:timers/promises'
import { inboundMessageId } from '../../src/domain/conversation/conversation.ts'
import { startBrokenInPostgres } from './broken-in-postgres.ts'
import { appSecret, createInstallation, type Installation } from './installation.ts'
import { createDeliveries, wamidOf, type LoadResult } from './load/generator.ts'
import { runLoad } from './load/run.ts'
import { machineLoad, spread } from './load.ts'

export type EndToEndBench = {
  /** Messages per second that were acknowledged and visible: from the first request until the last message could be queried. */
  readonly sustained: number
  readonly atHalf: {
    readonly rate: number
    readonly ack: LoadResult
    readonly visibleP50: number
    readonly visibleP99: number
    readonly lag: readonly number[]
  }
}

type Progress = { readonly name: string; readonly lag_events: number | null }

/**
 * (c) Webhook → sealed delivery in the log → intake → conversation → read models → query API, in one process with PostgreSQL and the load generator beside it.
 * The server's write-ahead log has been round once, as after its first day. First as fast as it will go; then at half of that rate, with probes that
 * ask the query API for a message until it is there.
 */
export async function benchEndToEnd({
  seconds = 30,
  halfSeconds = 60,
  log = console.log,
}: { seconds?: number; halfSeconds?: number; log?: (line: string) => void } = {}): Promise<EndToEndBench> {
  const postgres = await startBrokenInPostgres()
  const installation = await createInstallation({ server: postgres.url })
  const options = { port: installation.recado.port, connections: 256, secret: appSecret, phoneNumberId: installation.phoneNumberId, customers: 5_000 }
  try {
    await runLoad({ ...options, seconds: 5, run: 'warm-up' })
    await caughtUp(installation)

    const began = performance.now()
    const flood = await runLoad({ ...options, seconds, run: 'flood' })
    const lagAtEnd = await worstLag(installation)
    await caughtUp(installation)
    const took = (performance.now() - began) / 1000
    const sustained = (flood.statuses['200'] ?? 0) / took
    log(
      `  flood: ${Math.round(flood.perSecond)}/s acknowledged (p99 ${flood.p99.toFixed(0)} ms, ${JSON.stringify(flood.statuses)}), ` +
        `${Math.round(sustained)} messages/s acknowledged and visible; ${lagAtEnd} events behind when the load stopped  load ${machineLoad()}`,
    )

    const rate = Math.floor(sustained / 2)
    const lag: number[] = []
    const stop = new AbortController()
    const watching = watchLag(installation, lag, stop.signal)
    const probing = probe(installation, stop.signal)
    const ack = await runLoad({ ...options, seconds: halfSeconds, rate, run: 'half' })
    stop.abort()
    const visible = await probing
    await watching
    visible.sort((a, b) => a - b)
    const at = (quantile: number): number => visible[Math.min(visible.length - 1, Math.floor(visible.length * quantile))] ?? Number.NaN
    log(
      `  at half of it (${rate}/s for ${halfSeconds} s): ack p50 ${ack.p50.toFixed(1)} p99 ${ack.p99.toFixed(1)} ms; visible through the query API ` +
        `p50 ${at(0.5).toFixed(0)} p99 ${at(0.99).toFixed(0)} ms (${visible.length} probes); lag in events ${JSON.stringify(tenths(lag))}  load ${machineLoad()}`,
    )
    return { sustained, atHalf: { rate, ack, visibleP50: at(0.5), visibleP99: at(0.99), lag: tenths(lag) } }
  } finally {
    await installation.end()
    await postgres.stop()
  }
}

/** Ten webhooks a second of our own; each asked for by its message id, which derives from what the provider calls it, until the query API has it. */
async function probe({ recado, get, tenantId, channelId, phoneNumberId }: Installation, signal: AbortSignal): Promise<number[]> {
  const deliver = createDeliveries({ secret: appSecret, phoneNumberId, customers: 100, run: 'probe' })
  const latencies: number[] = []
  const pending: Promise<void>[] = []
  for (let n = 0; !signal.aborted; n++) {
    pending.push(one(n))
    await sleep(100)
  }
  await Promise.all(pending)
  return latencies

  async function one(n: number): Promise<void> {
    const { body, signature } = deliver(n)
    const began = performance.now()
    const answer = await fetch(`${recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'x-hub-signature-256': `sha256=${signature}` } })
    await answer.arrayBuffer()
    if (answer.status !== 200) return
    const id = inboundMessageId(tenantId, channelId, wamidOf('probe', n))
    for (;;) {
      const found = await get(`/v1/messages/${id}`).catch((error: unknown) => String(error))
      if (typeof found !== 'string') break
      if (performance.now() - began > 30_000) throw new Error(`message ${id} of an acknowledged webhook is not visible after 30 s: ${found}`)
      await sleep(20)
    }
    latencies.push(performance.now() - began)
  }
}

const worstLag = async ({ get }: Installation): Promise<number> =>
  Math.max(...(await get<readonly Progress[]>('/v1/projections')).map(({ lag_events }) => lag_events ?? Number.POSITIVE_INFINITY))

/** No delivery is waiting for the intake and no read model is behind, twice in a row, because intake appends what the read models then have to show. */
export async function caughtUp(installation: Installation): Promise<void> {
  for (let calm = 0; calm < 2;) {
    const { data: waiting } = await installation.get<{ data: unknown[] }>('/v1/deliveries?state=received&limit=1')
    calm = waiting.length === 0 && (await worstLag(installation)) === 0 ? calm + 1 : 0
    await sleep(50)
  }
}

async function watchLag(installation: Installation, lag: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    lag.push(await worstLag(installation))
    await sleep(1_000)
  }
}

/** The medians of ten stretches of time: growth shows, noise does not. */
const tenths = (values: readonly number[]): number[] => {
  const each = Math.max(1, Math.ceil(values.length / 10))
  return Array.from({ length: Math.ceil(values.length / each) }, (_, part) => spread(values.slice(part * each, (part + 1) * each)).median)
}

if (import.meta.main) await benchEndToEnd({ halfSeconds: process.argv.includes('--long') ? 300 : 60 })
