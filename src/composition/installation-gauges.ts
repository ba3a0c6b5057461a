import { Gauge, type Registry } from 'prom-client'
import type { Pool } from 'pg'
import { alertCodes } from '../domain/alert/codes.ts'
import { countOpenAlerts } from '../projections/alerts/queries.ts'
import { countChannels } from '../projections/channels/queries.ts'
import { operatorQueries } from '../projections/engine/operator.ts'
import type { LogEngine } from './log-engine.ts'

const mostCounted = 10_000
const statuses = ['pending', 'connected', 'degraded', 'disconnected'] as const

/** How the whole installation is: its channels, what is open, what waits for a number. Asked at each scrape; labels are words of ours. */
export function watchInstallation(registry: Registry, pool: Pool, { engine, store }: Pick<LogEngine, 'engine' | 'store'>): void {
  const queries = operatorQueries(pool)
  const gauge = (name: string, help: string, labelNames: readonly string[], collect: (this: Gauge) => Promise<void>): void =>
    registry.registerMetric(new Gauge({ name, help, labelNames: [...labelNames], registers: [], collect }))
  gauge('recado_log_up', 'Whether the log answers, by the engine that keeps it', ['engine'], async function collect() {
    this.set({ engine }, (await answers(store)) ? 1 : 0)
  })
  gauge('recado_channels', 'Channels by status', ['status'], async function collect() {
    const counted = new Map((await countChannels(queries)).map(({ status, channels }) => [status, channels]))
    for (const status of statuses) this.set({ status }, counted.get(status) ?? 0)
  })
  gauge('recado_alerts_open', 'Open alerts by code', ['code'], async function collect() {
    const counted = new Map((await countOpenAlerts(queries)).map(({ code, open }) => [code, open]))
    for (const code of Object.keys(alertCodes)) this.set({ code }, counted.get(code) ?? 0)
  })
  gauge('recado_deliveries_parked', `Deliveries that wait for their number or account, counted up to ${mostCounted}`, [], async function collect() {
    const { rows } = await pool.query<{ parked: number }>(
      'select count(*)::int as parked from (select from work.parked_deliveries group by tenant_id, delivery_id limit $1) as waiting',
      [mostCounted],
    )
    this.set(rows[0]?.parked ?? 0)
  })
}

const answerMs = 1_000

/** A scrape waits for no engine that is away. */
async function answers(store: LogEngine['store']): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, answerMs, false)
  const asked = store.head().then(
    () => true,
    () => false,
  )
  return Promise.race([asked, late]).finally(() => clearTimeout(timer))
}
