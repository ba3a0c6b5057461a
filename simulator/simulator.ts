import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEventBus } from './control/event-bus.ts'
import { applySwitches, duplicates, handleControl, setWebhook } from './control/router.ts'
import { addApp, addNumber, addToken, addWaba, defaultAppId, forgetTraffic } from './control/setup.ts'
import { handleGraph } from './graph/router.ts'
import { servePage } from './pages.ts'
import type { Sim } from './sim.ts'
import { createOutbox, type OutboxStats } from './webhooks/outbox.ts'
import { customerReads, customerWrites, saveCustomer, type CustomerInput, type CustomerMessageInput } from './world/customers.ts'
import { createScheduler } from './world/scheduler.ts'
import { defaultSwitches, type Switches, type SwitchesPatch } from './world/switches.ts'
import { createWorld, defaultLimits, type Customer, type Limits, type Message, type PhoneNumber } from './world/world.ts'

export type SimulatorOptions = {
  /** Secret of the simulated Meta app; signs every webhook. */
  readonly appSecret: string
  readonly verifyToken: string
  /** Where webhooks go. The challenge is tried until it is answered, so the receiver may start later. */
  readonly webhookUrl?: string
  readonly switches?: SwitchesPatch
  readonly log?: (line: string) => void
  readonly limits?: Partial<Limits>
  readonly webhookConnections?: number
  readonly webhookTimeoutMs?: number
  /** The longest pause between two tries of a webhook. Meta goes up to hours; a test does not want to wait for them. */
  readonly webhookRetryMaxMs?: number
}

export type Simulator = {
  /** `http://127.0.0.1:<port>` when it listens itself, else empty. */
  readonly url: string
  /** For mounting under a path of another server. `path` is what follows the prefix, e.g. `/v26.0/1…/messages`; the body must not have been read. */
  readonly handle: (req: IncomingMessage, res: ServerResponse, path: string) => void
  /** Resolves once the webhook address has answered its challenge: what happens before has nowhere to go. */
  readonly verified: Promise<void>
  readonly addWaba: (input?: Parameters<typeof addWaba>[1]) => { id: string }
  readonly addNumber: (input?: Parameters<typeof addNumber>[1]) => PhoneNumber
  readonly addToken: (input?: Parameters<typeof addToken>[1]) => string
  readonly revokeToken: (token: string) => void
  readonly saveCustomer: (input: CustomerInput) => Customer
  readonly customerWrites: (phone: string, message: CustomerMessageInput) => Message
  readonly customerReads: (phone: string, phoneNumberId: string) => number
  readonly setSwitches: (patch: SwitchesPatch) => Switches
  readonly setWebhook: (input: { url: string; verify?: boolean }) => Promise<void>
  /** What the business sent and the simulator accepted, oldest first, as far as it is remembered. */
  readonly sentMessages: () => Message[]
  readonly duplicates: () => { distinct: number; data: { callback_data: string; count: number }[] }
  readonly stats: () => OutboxStats
  readonly reset: () => void
  readonly close: () => Promise<void>
}

/** The simulator without a port of its own. */
export function createSimulator(options: SimulatorOptions): Simulator {
  const log = options.log ?? (() => {})
  const limits = { ...defaultLimits, ...options.limits }
  const world = createWorld(limits)
  const switches = defaultSwitches()
  const scheduler = createScheduler()
  const events = createEventBus()
  const outbox = createOutbox(world, switches, scheduler, events, {
    connections: options.webhookConnections ?? 64,
    maxPending: 200_000,
    timeoutMs: options.webhookTimeoutMs ?? 20_000,
    retryMaxMs: options.webhookRetryMaxMs ?? 30_000,
    log,
  })
  const sim: Sim = { world, limits, switches, scheduler, events, outbox, log }
  addApp(sim, { id: defaultAppId, secret: options.appSecret, verify_token: options.verifyToken })
  if (options.switches) applySwitches(sim, options.switches)

  let closed = false
  let publicUrl = ''
  const verification = options.webhookUrl === undefined ? undefined : verifyUntilAnswered(sim, options.webhookUrl, () => closed)

  function handle(req: IncomingMessage, res: ServerResponse, path: string): void {
    const url = req.url ?? '/'
    const bare = path.split('?')[0] ?? ''
    const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''
    const withoutQuery = url.split('?')[0] ?? ''
    const prefix = withoutQuery.endsWith(bare) ? withoutQuery.slice(0, withoutQuery.length - bare.length) : ''
    publicUrl = `http://${req.headers.host ?? 'localhost'}${prefix}`
    const segments = bare
      .split('/')
      .filter((part) => part !== '')
      .map(decoded)
    const request = { method: req.method ?? 'GET', path: segments, query: new URLSearchParams(query), req, res, publicUrl }
    if (segments[0] === '_sim') void handleControl(sim, request)
    else if (!servePage(req, res, bare, prefix)) void handleGraph(sim, request)
  }

  return {
    url: '',
    handle,
    verified: verification ?? Promise.resolve(),
    addWaba: (input) => addWaba(sim, input),
    addNumber: (input) => addNumber(sim, input),
    addToken: (input) => addToken(sim, input).token,
    revokeToken: (token) => void world.tokens.delete(token),
    saveCustomer: (input) => saveCustomer(sim, input),
    customerWrites: (phone, message) => customerWrites(sim, phone, message, publicUrl),
    customerReads: (phone, number) => customerReads(sim, phone, number),
    setSwitches: (patch) => applySwitches(sim, patch),
    setWebhook: async (input) => void (await setWebhook(sim, input)),
    sentMessages: () => [...world.messages.values()].filter((message) => message.direction === 'business'),
    duplicates: () => duplicates(sim),
    stats: () => outbox.stats(),
    reset: () => forgetTraffic(sim),
    async close() {
      closed = true
      scheduler.clear()
      events.close()
      await outbox.close()
      await verification
    },
  }
}

/** The simulator listening on a port of 127.0.0.1 (a free one unless it is given). */
export async function startSimulator(options: SimulatorOptions & { readonly port?: number; readonly host?: string }): Promise<Simulator> {
  const simulator = createSimulator(options)
  const server = createServer({ keepAlive: true, keepAliveTimeout: 60_000, noDelay: true }, (req, res) =>
    simulator.handle(req, res, (req.url ?? '/').split('?')[0] ?? '/'),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    ...simulator,
    url: `http://127.0.0.1:${port}`,
    async close() {
      await simulator.close()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        // Sends that were never answered (`accept_then_timeout`) keep their connections open.
        server.closeAllConnections()
      })
    },
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Updates before the first verified address have nowhere to go and are lost, as at Meta; so the phone should not write before this is done. */
async function verifyUntilAnswered(sim: Sim, url: string, stopped: () => boolean): Promise<void> {
  for (let attempt = 0; !stopped(); attempt++) {
    try {
      await setWebhook(sim, { url })
      sim.log(`webhooks go to ${url}`)
      return
    } catch (error) {
      if (attempt === 0) sim.log(`the webhook address does not answer yet: ${error instanceof Error ? error.message : String(error)}`)
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 100 * (attempt + 1))))
    }
  }
}
