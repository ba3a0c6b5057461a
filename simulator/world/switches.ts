import { z } from 'zod'

const probability = z.number().min(0).max(1)
const milliseconds = z.number().min(0).max(3_600_000)
const statusName = z.enum(['sent', 'delivered', 'read', 'played', 'failed'])

/** The bodies an answer can have: Meta's error, or what comes when something in front of Meta answers or the line breaks. */
const errorBodyKind = z.enum(['meta', 'html', 'empty', 'truncated'])

/** Everything that can be made to go wrong, or slow, or out of order. All off by default; the limits are Meta's. */
const switches = z.strictObject({
  /** From the acceptance to `sent`, from there to `delivered`, from there to `read`. */
  status_delay_ms: z.strictObject({ sent: milliseconds, delivered: milliseconds, read: milliseconds }),
  /** Up to this much is added to each of them, at random. */
  jitter_ms: milliseconds,
  response_delay_ms: milliseconds,
  response_jitter_ms: milliseconds,
  /** How likely a webhook is posted twice (same bytes, the second a little later). */
  duplicates: probability,
  /** How likely an update is held back for up to `shuffle_ms`, so that later ones overtake it. */
  shuffle: probability,
  shuffle_ms: milliseconds,
  /** Messages per second and number, inbound and outbound (130429). 0 = no limit. */
  throughput_per_second: z.number().min(0),
  /** One message in six seconds per customer, 45 at once (131056). */
  pair_limit: z.boolean(),
  /** Where 131047 (and other refusals Meta finds out late) is told. `off`: no window. */
  window: z.enum(['webhook', 'response', 'off']),
  /** Some deployments of Meta answer throttling with 429. */
  throttle_http_status: z.union([z.literal(400), z.literal(429)]),
  /** The next `count` sends fail with this code, in the answer or by a `failed` status. */
  fail_next: z
    .strictObject({
      code: z.number().int(),
      count: z.number().int().min(0),
      via: z.enum(['response', 'webhook']).default('response'),
      status: z.number().int().min(400).max(599).optional(),
      body: errorBodyKind.default('meta'),
      retry_after: z.number().int().min(0).optional(),
      details: z.string().optional(),
    })
    .nullable(),
  /** How likely a send is answered with a 5xx and not processed. */
  server_errors: probability,
  server_error_body: errorBodyKind,
  /** How likely a send is accepted, with all its webhooks, and then: never answered; the connection reset; answered with a bare 502. */
  accept_then_timeout: probability,
  accept_then_reset: probability,
  accept_then_error: probability,
  webhooks_paused: z.boolean(),
  drop_statuses: z.array(statusName),
  /** Updates in one POST, at most; Meta's own limit is 1000. */
  batch_size: z.number().int().min(1).max(1000),
  /** How long an update waits for others to fill a batch. */
  batch_wait_ms: milliseconds,
  auto_deliver: z.boolean(),
  /** For customers that have no setting of their own. */
  auto_read: z.boolean(),
  /** A number nobody created counts as a customer (else 131026). */
  auto_customers: z.boolean(),
  template_review: z.enum(['approve', 'reject', 'hold']),
  template_review_ms: milliseconds,
  /** Meta's limits of creating (100 an hour) and of editing an approved template (1 a day, 10 in 30 days), and names blocked after a deletion. */
  template_limits: z.boolean(),
})
export type Switches = z.infer<typeof switches>
export type StatusName = z.infer<typeof statusName>
export type ErrorBodyKind = z.infer<typeof errorBodyKind>

export const switchesPatch = switches.partial()
export type SwitchesPatch = z.input<typeof switchesPatch>

export const defaultSwitches = (): Switches => ({
  status_delay_ms: { sent: 60, delivered: 250, read: 900 },
  jitter_ms: 0,
  response_delay_ms: 0,
  response_jitter_ms: 0,
  duplicates: 0,
  shuffle: 0,
  shuffle_ms: 1000,
  throughput_per_second: 80,
  pair_limit: true,
  window: 'webhook',
  throttle_http_status: 400,
  fail_next: null,
  server_errors: 0,
  server_error_body: 'meta',
  accept_then_timeout: 0,
  accept_then_reset: 0,
  accept_then_error: 0,
  webhooks_paused: false,
  drop_statuses: [],
  batch_size: 1,
  batch_wait_ms: 0,
  auto_deliver: true,
  auto_read: true,
  auto_customers: true,
  template_review: 'approve',
  template_review_ms: 300,
  template_limits: true,
})

/** No limits, no delays: for load tests that measure the other side. */
export const unlimited: SwitchesPatch = { throughput_per_second: 0, pair_limit: false, window: 'off' }

/** True as often as the probability says; 0 and 1 are certain. */
export const chance = (probability: number): boolean => probability > 0 && Math.random() < probability
