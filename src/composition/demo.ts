import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { createSimulator, type Simulator } from '../../simulator/simulator.ts'
import { fromOwnPage, type DemoSession } from '../api/pages/pages.ts'
import type { CommandContext } from '../domain/kernel/context.ts'
import { derivedId } from '../domain/kernel/ids.ts'
import { platformTenant } from '../domain/kernel/stream.ts'
import type { UseCases } from './use-cases.ts'

/** The other side of the demo: Meta and a customer's phone, played by the simulator on our own port. */
export type DemoWorld = {
  readonly appSecret: string
  readonly verifyToken: string
  readonly graphUrl: string
  /** Takes requests under `/simulator`; false when it is another path. */
  readonly handle: (req: IncomingMessage, res: ServerResponse) => boolean
  /** Resolves when what customers write arrives. */
  readonly ready: Promise<void>
  readonly close: () => Promise<void>
}

const prefix = '/simulator'
const accessToken = 'demo-access-token'
const customer = { phone: '+5491155550123', name: 'Ana Suárez' }
const number = {
  phone_number_id: '100000000000001',
  waba_id: '200000000000002',
  display_phone_number: '+54 9 11 5555 0100',
  verified_name: 'Inmobiliaria Demo',
}

/** `verifyToken`: what a real app shows beside the demo; the simulator then shows the same. */
export function createDemoWorld({ port, verifyToken: given, log }: { port: number; verifyToken: string | undefined; log: Logger }): DemoWorld {
  const appSecret = randomBytes(32).toString('hex')
  const verifyToken = given ?? randomBytes(16).toString('hex')
  const simulator: Simulator = createSimulator({
    appSecret,
    verifyToken,
    webhookUrl: `http://127.0.0.1:${port}/webhooks/meta`,
    // A restart forgets who wrote when; the window that counts is the one that Recado itself keeps.
    switches: { window: 'off' },
    log: (line) => log.debug({ from: 'simulator' }, line),
  })
  simulator.addNumber(number)
  simulator.addToken({ token: accessToken })
  simulator.saveCustomer(customer)
  return {
    appSecret,
    verifyToken,
    graphUrl: `http://127.0.0.1:${port}${prefix}`,
    handle(req, res) {
      const path = (req.url ?? '').split('?')[0] ?? ''
      if (path !== prefix && !path.startsWith(`${prefix}/`)) return false
      // Whoever controls the simulator writes as any customer: this machine's own browser and programs only, and no page of another site.
      if (!fromOwnPage(req)) {
        res.writeHead(403).end()
        return true
      }
      simulator.handle(req, res, path.slice(prefix.length) || '/')
      return true
    },
    ready: simulator.verified,
    close: () => simulator.close(),
  }
}

/** A tenant with the simulated number, the same one at every start: its ids derive from the name of the command. */
export async function createDemoTenant({ createTenant, addChannel }: Pick<UseCases, 'createTenant' | 'addChannel'>, at: Date): Promise<DemoSession> {
  const created = await createTenant(
    { name: 'Inmobiliaria Demo', slug: 'demo', plan: 'standard', locale: 'es-AR' },
    contextOf(platformTenant, 'tenant', at),
  )
  if ('refused' in created) throw new Error('The demo cannot be set up: another organisation has the slug "demo". Start with RECADO_DEMO=0.')
  const channel = await addChannel(
    { name: 'WhatsApp Demo', phoneNumberId: number.phone_number_id, wabaId: number.waba_id, accessToken, verify: true },
    contextOf(created.tenantId, 'channel', at),
  )
  if (!('channelId' in channel)) throw new Error(`The demo's number could not be connected: ${JSON.stringify(channel)}`)
  return { apiKey: created.apiKey.key, tenantName: created.tenant.name, phoneUrl: `${prefix}/?embed=1&phone=${encodeURIComponent(customer.phone)}` }
}

function contextOf(tenantId: string, what: string, at: Date): CommandContext {
  const commandId = derivedId('demo', what)
  return { tenantId, actor: { kind: 'process', id: 'demo' }, commandId, correlationId: commandId, causationId: commandId, at }
}
