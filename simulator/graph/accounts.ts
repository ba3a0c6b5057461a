import type { Sim } from '../sim.ts'
import type { Token, Waba } from '../world/world.ts'
import { page, selectFields } from './fields.ts'
import { readFields, sendJson, type GraphRequest } from './http.ts'
import { showNumber, verifiedCallback } from './numbers.ts'

export function getWaba(waba: Waba, request: GraphRequest): void {
  const node = {
    id: waba.id,
    name: waba.name,
    currency: 'USD',
    timezone_id: '1',
    message_template_namespace: `ns_${waba.id}`,
    account_review_status: 'APPROVED',
  }
  sendJson(
    request.res,
    200,
    selectFields(node, 'WhatsAppBusinessAccount', request.query.get('fields'), ['id', 'name', 'timezone_id', 'message_template_namespace']),
  )
}

export function listNumbers(sim: Sim, waba: Waba, request: GraphRequest): void {
  const numbers = [...sim.world.numbers.values()].filter((number) => number.waba_id === waba.id)
  const self = `${request.publicUrl}/v26.0/${waba.id}/phone_numbers`
  sendJson(request.res, 200, page(numbers, request.query, showNumber(sim, request.query.get('fields')), self))
}

export function listSubscriptions(waba: Waba, request: GraphRequest): void {
  const data = [...waba.subscriptions].map(([appId, { override }]) => ({
    whatsapp_business_api_data: { id: appId, name: 'Simulated app', link: `https://www.facebook.com/games/?app_id=${appId}` },
    ...(override && { override_callback_uri: override.url }),
  }))
  sendJson(request.res, 200, { data })
}

/** Subscribes the token's app; with an override its address is challenged first, without one an earlier override ends. */
export async function subscribe(waba: Waba, token: Token, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  const url = body['override_callback_uri']
  const override = url === undefined ? undefined : await verifiedCallback(url, body['verify_token'])
  waba.subscriptions.set(token.app_id, { override })
  sendJson(request.res, 200, { success: true })
}

export function unsubscribe(waba: Waba, token: Token, request: GraphRequest): void {
  waba.subscriptions.delete(token.app_id)
  sendJson(request.res, 200, { success: true })
}
