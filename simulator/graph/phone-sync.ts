import type { Sim } from '../sim.ts'
import { GraphError } from '../wire/graph-error.ts'
import { graphId } from '../wire/ids.ts'
import { addressBookValue, historyDeclinedValue, historyMediaValue, historyValue, type HistoryThread } from '../webhooks/phone-values.ts'
import type { BusinessApp, PhoneNumber } from '../world/world.ts'
import { readFields, sendJson, type GraphRequest } from './http.ts'

const day = 24 * 3_600_000
const threadsPerChunk = 50

/** `POST /{phone number}/smb_app_data`: what the phone knows, once each and within a day of its connection. */
export async function syncPhone(sim: Sim, number: PhoneNumber, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  if (body['messaging_product'] !== 'whatsapp') throw new GraphError(100, { message: '(#100) The parameter messaging_product is required.' })
  const what = body['sync_type']
  if (what !== 'smb_app_state_sync' && what !== 'history') throw new GraphError(100, { message: '(#100) Param sync_type is not valid' })
  const { business_app: app } = number
  if (app === undefined) throw new GraphError(100, { message: '(#100) The number is not on the WhatsApp Business app' })
  if (app.synced.has(what)) throw new GraphError(2593107, { message: '(#2593107) Sync was requested already' })
  if (Date.now() - app.onboarded_at > day)
    throw new GraphError(2593108, { message: '(#2593108) Sync is only possible within 24 hours of onboarding' })
  app.synced.add(what)
  if (what === 'history') pushHistory(sim, number, app)
  else push(sim, number, 'smb_app_state_sync', addressBookValue(number, [...sim.world.customers.values()], Date.now()))
  sendJson(request.res, 200, { messaging_product: 'whatsapp', request_id: graphId() })
}

function pushHistory(sim: Sim, number: PhoneNumber, app: BusinessApp): void {
  if (!app.shares_history) return push(sim, number, 'history', historyDeclinedValue(number))
  const threads = threadsOf(sim, number)
  const chunks = Math.max(1, Math.ceil(threads.length / threadsPerChunk))
  for (let order = 1; order <= chunks; order++) {
    const some = threads.slice((order - 1) * threadsPerChunk, order * threadsPerChunk)
    push(sim, number, 'history', historyValue(number, some, { order, progress: Math.floor((100 * order) / chunks) }))
  }
  for (const thread of threads) {
    const value = historyMediaValue(number, thread)
    if ((value['messages'] as unknown[]).length > 0) push(sim, number, 'history', value)
  }
}

function threadsOf({ world }: Sim, number: PhoneNumber): HistoryThread[] {
  const mine = [...world.messages.values()].filter(({ phone_number_id: id }) => id === number.id)
  return [...Map.groupBy(mine, ({ customer }) => customer)].flatMap(([phone, messages]) => {
    const customer = world.customers.get(phone)
    return customer === undefined ? [] : [{ customer, messages }]
  })
}

const push = (sim: Sim, number: PhoneNumber, field: string, value: unknown): void =>
  sim.outbox.push({ waba_id: number.waba_id, phone_number_id: number.id, field, value })
