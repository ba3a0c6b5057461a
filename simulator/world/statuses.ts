import { statusValue } from '../webhooks/values.ts'
import type { Sim } from '../sim.ts'
import type { StatusName } from './switches.ts'
import { findCustomer, type Message } from './world.ts'

const rank: Readonly<Record<Message['status'], number>> = { received: 0, accepted: 0, sent: 1, failed: 2, delivered: 3, read: 4, played: 5 }
const freePerMonth = 1000

/**
 * A business message after Meta took it: accepted → sent → delivered → read → played, or failed before it is delivered. Never backwards.
 * Each step is a webhook, unless `drop_statuses` swallows it; the message has the status all the same.
 */
export function advance(sim: Sim, message: Message, status: StatusName, details?: string): void {
  if (rank[status] <= rank[message.status] || message.status === 'failed') return
  const number = sim.world.numbers.get(message.phone_number_id)
  const customer = findCustomer(sim.world, message.customer)
  if (!number || !customer) return
  message.status = status
  sim.events.publish('status', () => ({ id: message.id, status, customer: message.customer, phone_number_id: message.phone_number_id }))
  if (sim.switches.drop_statuses.includes(status)) return
  const value = statusValue(number, customer, message, { status, pricing: pricing(sim, message, status), details })
  sim.outbox.push({ waba_id: number.waba_id, phone_number_id: number.id, field: 'messages', value })
}

/** Comes with `sent` and with the first of delivered and read. The first thousand service messages of a number are free. */
function pricing(sim: Sim, message: Message, status: StatusName): { category: string; free: boolean } | undefined {
  if (status === 'failed' || status === 'played') return undefined
  if (status !== 'sent') {
    if (message.priced) return undefined
    message.priced = true
  }
  const number = sim.world.numbers.get(message.phone_number_id)
  const category = message.category ?? 'service'
  if (category !== 'service' || !number) return { category, free: false }
  if (status === 'sent') number.service_delivered += 1
  return { category, free: number.service_delivered <= freePerMonth }
}

/** The usual life of a message, at the pace of the switches. Reading is left out when the customer's phone is in somebody's hand or sends no receipts. */
export function scheduleStatuses(sim: Sim, message: Message): void {
  const { switches, scheduler } = sim
  const pause = (ms: number): number => ms + (switches.jitter_ms > 0 ? Math.random() * switches.jitter_ms : 0)
  const { sent, delivered, read } = switches.status_delay_ms
  scheduler.after(pause(sent), () => {
    advance(sim, message, 'sent')
    if (!switches.auto_deliver) return
    scheduler.after(pause(delivered), () => {
      advance(sim, message, 'delivered')
      const customer = findCustomer(sim.world, message.customer)
      if (!customer?.read_receipts || !(customer.auto_read ?? switches.auto_read)) return
      scheduler.after(pause(read), () => advance(sim, message, 'read'))
    })
  })
}

/** Meta took the message and finds out afterwards that it cannot be delivered. */
export function scheduleFailure(sim: Sim, message: Message, code: number, details?: string): void {
  message.error_code = code
  sim.scheduler.after(sim.switches.status_delay_ms.sent, () => advance(sim, message, 'failed', details))
}
