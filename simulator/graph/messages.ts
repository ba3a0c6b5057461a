import { GraphError, noSuchObject } from '../wire/graph-error.ts'
import { phoneDigits, wamid } from '../wire/ids.ts'
import type { Sim } from '../sim.ts'
import { businessReads, saveCustomer } from '../world/customers.ts'
import { takePair, takeThroughput, windowOpen } from '../world/limits.ts'
import { scheduleFailure, scheduleStatuses } from '../world/statuses.ts'
import { chance } from '../world/switches.ts'
import { findCustomer, putMessage, threadOf, type Customer, type Message, type PhoneNumber, type Waba } from '../world/world.ts'
import { plain } from './check/checks.ts'
import { checkObject, contextId } from './check/objects.ts'
import { checkTemplate } from './check/template.ts'
import type { LateFailure } from './check/media.ts'
import { readFields, sendBroken, sendError, sendJson, type Fields, type GraphRequest } from './http.ts'

/** `POST /{phone-number-id}/messages`: a message, or `status: read`. */
export async function postMessages(sim: Sim, number: PhoneNumber, request: GraphRequest): Promise<void> {
  const { switches } = sim
  const body = await readFields(request)
  const pause = switches.response_delay_ms + Math.random() * switches.response_jitter_ms
  if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
  if (body['messaging_product'] !== 'whatsapp') throw new GraphError(100, { message: '(#100) The parameter messaging_product is required.' })
  if (body['status'] !== undefined) return sendJson(request.res, 200, markRead(sim, number, body))
  if (chance(switches.server_errors)) return sendBroken(request.res, new GraphError(131016, { status: 503 }), switches.server_error_body)
  const forced = takeForced(sim)
  if (forced?.via === 'response') {
    const { code, status, retry_after, details } = forced
    return sendBroken(request.res, new GraphError(code, { status, retryAfter: retry_after, details }), forced.body)
  }
  const accepted = accept(sim, number, body, forced && { code: forced.code, details: forced.details ?? 'Forced by the simulator' })
  answer(sim, request, accepted)
}

function takeForced(sim: Sim): NonNullable<Sim['switches']['fail_next']> | undefined {
  const next = sim.switches.fail_next
  if (!next || next.count < 1) return undefined
  sim.switches.fail_next = next.count === 1 ? null : { ...next, count: next.count - 1 }
  return next
}

/** The accidents after the message was taken: the webhooks come all the same. */
function answer(sim: Sim, request: GraphRequest, accepted: unknown): void {
  const { switches } = sim
  if (chance(switches.accept_then_timeout)) return
  if (chance(switches.accept_then_reset)) {
    request.req.socket.resetAndDestroy()
    return
  }
  if (chance(switches.accept_then_error)) return sendBroken(request.res, new GraphError(131000, { status: 502 }), 'html')
  sendJson(request.res, 200, accepted)
}

function markRead(sim: Sim, number: PhoneNumber, body: Fields): unknown {
  plain.oneOf(body['status'], "['status']", ['read'])
  const id = plain.text(body['message_id'], "['message_id']", 512)
  if (body['typing_indicator'] !== undefined)
    plain.oneOf(plain.object(body['typing_indicator'], 'typing_indicator')['type'], "typing_indicator['type']", ['text'])
  const message = sim.world.messages.get(id)
  if (message?.direction !== 'customer' || message.phone_number_id !== number.id)
    throw new GraphError(100, { details: 'Message id is not one of a message this number received' })
  businessReads(sim, message, body['typing_indicator'] !== undefined)
  return { success: true }
}

type Address = { readonly input: string; readonly by: 'to' | 'recipient'; readonly customer: Customer | undefined; readonly digits: string }

/** Takes one message or throws Meta's refusal. The order is Meta's as far as it is known: shape, limits of the number, recipient, content. */
function accept(sim: Sim, number: PhoneNumber, body: Fields, forced: LateFailure | undefined): unknown {
  const { world, switches } = sim
  const now = Date.now()
  const waba = world.wabas.get(number.waba_id)
  if (!waba) throw noSuchObject(number.id, 'POST')
  if (!number.registered) throw new GraphError(133010, { details: 'The account is not registered' })
  const type = body['type'] === undefined ? 'text' : plain.text(body['type'], "['type']", 64)
  const callback = plain.optionalText(body['biz_opaque_callback_data'], 'biz_opaque_callback_data', 512)
  const context = contextId(body)
  const checked = checkContent(sim, waba, type, body)
  if (!takeThroughput(number, switches.throughput_per_second, now)) {
    throw new GraphError(130429, { status: switches.throttle_http_status, details: 'Cloud API message throughput has been reached.' })
  }
  const address = addressOf(sim, number, body)
  const customer = address.customer ?? saveCustomer(sim, { phone: address.digits, on_whatsapp: switches.auto_customers })
  const thread = threadOf(world, number.id, customer.phone)
  if (switches.pair_limit && !takePair(thread, now)) {
    throw new GraphError(131056, {
      status: switches.throttle_http_status,
      details: 'Too many messages sent from this phone number to the same recipient in a short period of time.',
    })
  }
  const late = forced ?? checked.late ?? lateFailure(sim, customer, type, windowOpen(thread, now))
  if (late && switches.window === 'response' && !forced) throw new GraphError(late.code, { details: late.details })
  const message: Message = {
    id: wamid(customer.phone, 'business'),
    direction: 'business',
    phone_number_id: number.id,
    customer: customer.phone,
    type,
    object: body[type],
    context_id: context,
    callback_data: callback,
    addressed_by: address.by,
    category: checked.category,
    at: now,
    status: 'accepted',
  }
  putMessage(world, message)
  if (callback !== undefined) world.callbacks.set(callback, (world.callbacks.get(callback) ?? 0) + 1)
  sim.events.publish('message', () => ({ message }))
  if (late) scheduleFailure(sim, message, late.code, late.details)
  else scheduleStatuses(sim, message)
  return {
    messaging_product: 'whatsapp',
    contacts: [{ input: address.input, ...(address.by === 'recipient' ? { user_id: customer.bsuid } : { wa_id: customer.wa_id }) }],
    messages: [{ id: message.id, ...(type === 'template' && { message_status: 'accepted' }) }],
  }
}

function checkContent(sim: Sim, waba: Waba, type: string, body: Fields): { category: string; late?: LateFailure | undefined } {
  if (type !== 'template') return { category: 'service', late: checkObject(sim.world, type, body) }
  const { template, late } = checkTemplate(sim.world, waba, body['template'])
  const category = template.category.toLowerCase()
  if (category === 'authentication' && body['to'] === undefined)
    throw new GraphError(131062, { details: 'Authentication templates need the phone number of the recipient' })
  return { category, late }
}

function addressOf(sim: Sim, number: PhoneNumber, body: Fields): Address {
  const { recipient_type: kind, to, recipient } = body
  if (kind !== undefined) plain.oneOf(kind, "['recipient_type']", ['individual', 'group'])
  if (kind === 'group') throw new GraphError(131041, { details: 'The group is unknown' })
  if (to === undefined && recipient === undefined) throw new GraphError(100, { message: '(#100) The parameter to is required.' })
  // The phone wins if both are given.
  if (to === undefined) {
    const input = plain.text(recipient, "['recipient']", 140)
    const customer = findCustomer(sim.world, input)
    if (customer?.bsuid !== input) throw new GraphError(131009, { details: 'The business-scoped user id is not known' })
    return { input, by: 'recipient', customer, digits: customer.phone }
  }
  const input = typeof to === 'number' ? to.toString() : plain.text(to, "['to']", 40)
  const digits = phoneDigits(input)
  if (digits === undefined) throw new GraphError(131009, { details: `Param to is not a valid WhatsApp phone number` })
  if (digits === number.digits) throw new GraphError(131021, { details: 'Recipient phone number cannot be the sender phone number' })
  const customer = findCustomer(sim.world, digits)
  if (number.allow_list && !number.allow_list.has(customer?.phone ?? digits))
    throw new GraphError(131030, { details: 'Recipient phone number not in allowed list' })
  return { input, by: 'to', customer, digits }
}

/** What Meta knows only after it took the message. */
function lateFailure(sim: Sim, customer: Customer, type: string, open: boolean): LateFailure | undefined {
  if (!customer.on_whatsapp) return { code: 131026, details: 'Message Undeliverable.' }
  if (type === 'template' || open || sim.switches.window === 'off') return undefined
  return { code: 131047, details: 'Message failed to send because more than 24 hours have passed since the customer last replied to this number.' }
}

/** Sends an error thrown below; anything but a GraphError is a mistake of the simulator and is logged. */
export function answerError(sim: Sim, request: Pick<GraphRequest, 'res'>, error: unknown): void {
  if (request.res.headersSent) {
    request.res.destroy()
    return
  }
  if (error instanceof GraphError) return sendError(request.res, error)
  sim.log(`graph: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  sendError(request.res, new GraphError(1, { status: 500 }))
}
