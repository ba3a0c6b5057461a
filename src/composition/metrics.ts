import { collectDefaultMetrics, Counter, Gauge, Histogram } from 'prom-client'
import type { WebhookOutcome } from '../api/webhooks/front.ts'
import { mostCounted, type IntakeWatch } from '../commands/processes/intake/progress.ts'
import type { ProjectionProgress } from '../projections/engine/applied-positions.ts'
import { createPatientRegistry } from './patient-registry.ts'

type Answer = { readonly method: string; readonly route: string; readonly status: number; readonly seconds: number }
type Batch = { readonly appends: number; readonly events: number; readonly ms: number; readonly queued: number }

/** What Prometheus can ask. Labels are routes, states and names of read models: nothing of a tenant, nobody's number. */
export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = createPatientRegistry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
  const webhooks = new Counter({
    name: 'recado_webhook_deliveries_total',
    help: 'Webhook deliveries by what came of them',
    labelNames: ['outcome'],
    registers,
  })
  const webhookSeconds = new Histogram({ name: 'recado_webhook_seconds', help: 'From the request to its answer', buckets, registers })
  const requests = new Histogram({
    name: 'recado_http_request_seconds',
    help: 'API requests, by route pattern',
    labelNames: ['method', 'route', 'status'],
    buckets,
    registers,
  })
  const appended = new Counter({ name: 'recado_events_appended_total', help: 'Events in the log, appended by this process', registers })
  const commitSeconds = new Histogram({ name: 'recado_append_commit_seconds', help: 'One group commit', buckets, registers })
  const commitAppends = new Histogram({
    name: 'recado_append_batch_size',
    help: 'Appends that shared a commit',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  })
  const queue = new Gauge({ name: 'recado_append_queue', help: 'Appends waiting for a commit', registers })
  const drops = new Counter({
    name: 'recado_log_subscription_drops_total',
    help: 'Subscriptions to the log that ended and were taken up again where they were; `overflow` is normal under bursts on EventStoreDB',
    labelNames: ['why'],
    registers,
  })
  const recycled = new Counter({
    name: 'recado_log_clients_replaced_total',
    help: 'Times that the client of the log did not come back to life and was replaced',
    registers,
  })

  return {
    registry,
    onBatch: ({ appends, events, ms, queued }: Batch): void => {
      appended.inc(events)
      commitSeconds.observe(ms / 1000)
      commitAppends.observe(appends)
      queue.set(queued)
    },
    onDrop: ({ why }: { readonly why: string }): void => drops.inc({ why }),
    onRecycle: (): void => recycled.inc(),
    onWebhook: (outcome: WebhookOutcome, milliseconds: number): void => {
      webhooks.inc({ outcome })
      if (outcome === 'accepted') webhookSeconds.observe(milliseconds / 1000)
    },
    onAnswer: ({ method, route, status, seconds }: Answer): void => requests.observe({ method, route, status: String(status) }, seconds),
    /** Asked at each scrape, so that an idle process does nothing. */
    watch({ progress, intake, sender, feedConnections }: Watched): void {
      const perProjection = (value: (one: ProjectionProgress) => number | null) =>
        async function collect(this: Gauge): Promise<void> {
          for (const one of await progress()) this.set({ projection: one.name }, value(one) ?? Number.NaN)
        }
      const now = (value: () => number) =>
        function collect(this: Gauge): void {
          this.set(value())
        }
      for (const [name, help, collect] of [
        ['recado_projection_lag_events', 'Events that a read model has still to apply', perProjection(({ lagEvents }) => lagEvents)],
        ['recado_projection_parked_events', 'Events that a read model could not apply', perProjection(({ parked }) => parked)],
      ] as const) {
        registry.registerMetric(new Gauge({ name, help, labelNames: ['projection'], registers: [], collect }))
      }
      for (const [name, help, value] of [
        [
          'recado_intake_lag_events',
          'Events from the oldest one that waits for the intake to the head',
          async () => (await intake.progress()).lagEvents,
        ],
        ['recado_deliveries_waiting', `Deliveries that the intake has not come to yet, counted up to ${mostCounted}`, intake.deliveriesWaiting],
      ] as const) {
        const collect = async function collect(this: Gauge): Promise<void> {
          this.set((await value()) ?? Number.NaN)
        }
        registry.registerMetric(new Gauge({ name, help, registers: [], collect }))
      }
      for (const [name, help, value] of [
        ['recado_outbox_waiting', 'Messages queued for sending in this process', () => sender().waiting],
        ['recado_sends_in_flight', 'Calls to the provider under way', () => sender().inFlight],
        ['recado_feed_connections', 'Clients of the live feed', feedConnections],
      ] as const) {
        registry.registerMetric(new Gauge({ name, help, registers: [], collect: now(value) }))
      }
    },
  }
}

type Watched = {
  readonly progress: () => Promise<readonly ProjectionProgress[]>
  readonly intake: IntakeWatch
  readonly sender: () => { waiting: number; inFlight: number }
  readonly feedConnections: () => number
}
