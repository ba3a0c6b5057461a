import { z } from 'zod'
import type { Sim } from '../sim.ts'
import { GraphError } from '../wire/graph-error.ts'
import { phoneDigits } from '../wire/ids.ts'
import { challengeFailure } from '../webhooks/verify.ts'
import { changeTemplate } from '../graph/templates.ts'
import { sendBytes } from '../graph/media.ts'
import { numberNode } from '../graph/numbers.ts'
import { readBody, type GraphRequest } from '../graph/http.ts'
import { customerReads, customerWrites, saveCustomer, type CustomerInput, type CustomerMessageInput } from '../world/customers.ts'
import { phoneWrites, type PhoneMessageInput } from '../world/phone.ts'
import { advance } from '../world/statuses.ts'
import { switchesPatch } from '../world/switches.ts'
import { findCustomer, liveMedium, threadOf, type Message } from '../world/world.ts'
import {
  addApp,
  addNumber,
  addToken,
  addWaba,
  defaultAppId,
  forgetTraffic,
  patchNumber,
  type appInput,
  type numberInput,
  type numberPatch,
  type tokenInput,
  type wabaInput,
} from './setup.ts'

/** The control API has errors of its own, so that nobody takes them for Meta's. */
class ControlError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const notFound = (what: string): ControlError => new ControlError(404, `there is no ${what}`)

/** `/_sim/*`: what tests and the phone page do to the simulated world. JSON in and out. */
export async function handleControl(sim: Sim, request: GraphRequest): Promise<void> {
  const { res, path, query, method } = request
  if (method === 'GET' && path[1] === 'events') return streamEvents(sim, request)
  if (method === 'GET' && path[1] === 'media') {
    const medium = liveMedium(sim.world, path[2] ?? '')
    return medium ? sendBytes(res, medium) : send(res, 404, { error: 'there is no such medium' })
  }
  try {
    const body: unknown = method === 'GET' || method === 'DELETE' ? undefined : await readJson(request)
    const answer = await answerTo(sim, { call: `${method} ${path[1] ?? ''}`, path: path.slice(2), query, body, publicUrl: request.publicUrl })
    send(res, 200, answer)
  } catch (error) {
    if (error instanceof z.ZodError) return send(res, 422, { error: z.prettifyError(error) })
    if (error instanceof ControlError) return send(res, error.status, { error: error.message })
    if (error instanceof GraphError) return send(res, 422, { error: error.message })
    send(res, 422, { error: error instanceof Error ? error.message : String(error) })
  }
}

async function readJson(request: GraphRequest): Promise<unknown> {
  const text = (await readBody(request.req, 32 * 1024 * 1024)).toString('utf8')
  return text === '' ? {} : (JSON.parse(text) as unknown)
}

function send(res: GraphRequest['res'], status: number, body: unknown): void {
  const text = JSON.stringify(body)
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' })
  res.end(text)
}

function streamEvents(sim: Sim, { res, query }: GraphRequest): void {
  const customer = query.get('customer')
  const number = query.get('phone_number_id')
  sim.events.stream(res, (event) => {
    const about = (event['message'] ?? event) as Partial<Pick<Message, 'customer' | 'phone_number_id'>>
    return (customer === null || about.customer === customer) && (number === null || about.phone_number_id === number)
  })
}

type Call = {
  readonly call: string
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly body: unknown
  readonly publicUrl: string
}

function answerTo(sim: Sim, { call, path, query, body, publicUrl }: Call): unknown {
  const { world } = sim
  switch (call) {
    case 'GET state':
      return state(sim)
    case 'DELETE state':
      return (forgetTraffic(sim), { success: true })
    case 'GET stats':
      return {
        ...sim.outbox.stats(),
        scheduled: sim.scheduler.pending(),
        messages: world.messages.size(),
        customers: world.customers.size(),
        media_bytes: world.media_bytes,
      }
    case 'GET switches':
      return sim.switches
    case 'PATCH switches':
      return applySwitches(sim, body)
    case 'PUT webhook':
      return setWebhook(sim, body)
    case 'POST apps':
      return addApp(sim, body as z.input<typeof appInput>)
    case 'POST wabas':
      return showWaba(sim, addWaba(sim, body as z.input<typeof wabaInput>).id)
    case 'POST numbers':
      if (path[1] === 'messages') return phoneWrites(sim, world.numbers.get(path[0] ?? '') ?? lost('such number'), body as PhoneMessageInput)
      return numberNode(world, addNumber(sim, body as z.input<typeof numberInput>))
    case 'PATCH numbers':
      return numberNode(world, patchNumber(world.numbers.get(path[0] ?? '') ?? lost('such number'), body as z.input<typeof numberPatch>))
    case 'POST tokens':
      return { token: addToken(sim, body as z.input<typeof tokenInput>).token }
    case 'DELETE tokens':
      return { success: world.tokens.delete(path[0] ?? '') }
    case 'GET customers':
      return path[1] === 'chat' ? chat(sim, path[0] ?? '', query) : { data: [...world.customers.values()].slice(-200).reverse() }
    case 'POST customers':
      return customerCall(sim, path, body, publicUrl)
    case 'PATCH customers':
      return saveCustomer(sim, { ...(body as object), phone: path[0] ?? '' })
    case 'GET messages':
      return path[0] === 'duplicates' ? duplicates(sim) : listMessages(sim, query)
    case 'POST messages':
      return setStatus(sim, path[0] ?? '', body)
    case 'POST templates':
      return setTemplate(sim, path[0] ?? '', body)
    case 'POST webhooks':
      return rawWebhook(sim, body)
    default:
      throw notFound(`control call ${call}`)
  }
}

function lost(what: string): never {
  throw notFound(what)
}

function state(sim: Sim): unknown {
  const { world } = sim
  return {
    apps: [...world.apps.values()].map(({ id, webhook_url }) => ({ id, webhook_url })),
    wabas: [...world.wabas.keys()].map((id) => showWaba(sim, id)),
    numbers: [...world.numbers.values()].map((number) => ({ ...numberNode(world, number), waba_id: number.waba_id })),
    switches: sim.switches,
  }
}

function showWaba(sim: Sim, id: string): unknown {
  const waba = sim.world.wabas.get(id) ?? lost('such account')
  return {
    id,
    name: waba.name,
    subscribed_apps: [...waba.subscriptions.keys()],
    templates: [...waba.templates.values()].map(({ id, name, language, status }) => ({ id, name, language, status })),
  }
}

/** Partial; takes effect at once, also for webhooks that wait. */
export function applySwitches(sim: Sim, body: unknown): Sim['switches'] {
  Object.assign(sim.switches, Object.fromEntries(Object.entries(switchesPatch.parse(body)).filter(([, value]) => value !== undefined)))
  sim.outbox.kick()
  return sim.switches
}

const webhookInput = z.strictObject({
  url: z.url(),
  verify_token: z.string().optional(),
  app_id: z.string().default(defaultAppId),
  verify: z.boolean().default(true),
})

/** Sets the address of an app, as in the App Dashboard: Meta sends the challenge first and keeps the old address if it fails. */
export async function setWebhook(sim: Sim, body: unknown): Promise<{ success: true; url: string }> {
  const { url, app_id, verify, ...input } = webhookInput.parse(body)
  const app = sim.world.apps.get(app_id) ?? lost('such app')
  const verifyToken = input.verify_token ?? app.verify_token
  const failure = verify ? await challengeFailure(url, verifyToken) : undefined
  if (failure !== undefined) throw new ControlError(400, failure)
  app.webhook_url = url
  app.verify_token = verifyToken
  sim.outbox.kick()
  return { success: true, url }
}

function customerCall(sim: Sim, [phone, verb]: readonly string[], body: unknown, publicUrl: string): unknown {
  if (phone === undefined) return saveCustomer(sim, body as CustomerInput)
  if (verb === 'messages') return customerWrites(sim, phone, body as CustomerMessageInput, publicUrl)
  if (verb === 'read') return { read: customerReads(sim, phone, z.object({ phone_number_id: z.string() }).parse(body).phone_number_id) }
  throw notFound(`call ${verb ?? ''} of a customer`)
}

/** What the phone shows: the latest messages between the customer and the number, oldest first. */
function chat(sim: Sim, phone: string, query: URLSearchParams): unknown {
  const customer = findCustomer(sim.world, phoneDigits(phone) ?? phone) ?? lost('such customer')
  const number = query.get('phone_number_id') ?? sim.world.numbers.keys().next().value ?? ''
  const messages = threadOf(sim.world, number, customer.phone).recent.flatMap((id) => sim.world.messages.get(id) ?? [])
  return { customer, phone_number_id: number, messages }
}

/** Messages the business sent (or, with `direction=customer`, got), newest first. */
function listMessages(sim: Sim, query: URLSearchParams): unknown {
  const direction = query.get('direction') ?? 'business'
  const callback = query.get('callback_data')
  const customer = query.get('customer')
  const number = query.get('phone_number_id')
  const limit = Math.min(100_000, Number(query.get('limit') ?? 200))
  const wanted = (message: Message): boolean =>
    message.direction === direction &&
    (callback === null || message.callback_data === callback) &&
    (customer === null || message.customer === phoneDigits(customer)) &&
    (number === null || message.phone_number_id === number)
  const found = [...sim.world.messages.values()].filter(wanted)
  return { count: found.length, data: found.slice(-limit).reverse() }
}

/** Callback data accepted more than once: what a sender sent twice. */
export function duplicates(sim: Sim): { distinct: number; data: { callback_data: string; count: number }[] } {
  const twice = [...sim.world.callbacks.entries()].filter(([, count]) => count > 1)
  return { distinct: sim.world.callbacks.size(), data: twice.map(([callback_data, count]) => ({ callback_data, count })) }
}

const statusInput = z.strictObject({
  status: z.enum(['sent', 'delivered', 'read', 'played', 'failed']),
  code: z.number().int().default(131000),
  details: z.string().optional(),
})

function setStatus(sim: Sim, id: string, body: unknown): unknown {
  const { status, code, details } = statusInput.parse(body)
  const message = sim.world.messages.get(id)
  if (message?.direction !== 'business') throw notFound('such message of the business')
  if (status === 'failed') message.error_code = code
  advance(sim, message, status, details)
  return message
}

function setTemplate(sim: Sim, id: string, body: unknown): unknown {
  const { status, reason } = z.strictObject({ status: z.string(), reason: z.string().optional() }).parse(body)
  const template = sim.world.templates.get(id) ?? lost('such template')
  changeTemplate(sim, template, status, reason)
  return template
}

/** Any field with any value: account updates, quality changes, what Meta invents tomorrow. */
function rawWebhook(sim: Sim, body: unknown): unknown {
  const given = z.strictObject({ waba_id: z.string(), phone_number_id: z.string().optional(), field: z.string(), value: z.unknown() }).parse(body)
  const { phone_number_id, ...update } = given
  sim.outbox.push(phone_number_id === undefined ? update : { ...update, phone_number_id })
  return { success: true }
}
