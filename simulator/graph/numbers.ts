import { GraphError } from '../wire/graph-error.ts'
import type { Sim } from '../sim.ts'
import type { PhoneNumber, World } from '../world/world.ts'
import { challengeFailure } from '../webhooks/verify.ts'
import { plain } from './check/checks.ts'
import { selectFields } from './fields.ts'
import { isObject, readFields, sendJson, type Fields, type GraphRequest } from './http.ts'

const usual = [
  'verified_name',
  'code_verification_status',
  'display_phone_number',
  'quality_rating',
  'platform_type',
  'throughput',
  'webhook_configuration',
  'id',
]

/** A number as Graph shows it. */
export function numberNode(world: World, number: PhoneNumber): Fields {
  const app = world.apps.values().next().value
  return {
    id: number.id,
    display_phone_number: number.display_phone_number,
    verified_name: number.verified_name,
    status: number.status,
    quality_rating: number.quality_rating,
    quality_score: { score: number.quality_rating },
    name_status: 'APPROVED',
    new_name_status: 'NONE',
    code_verification_status: 'VERIFIED',
    throughput: { level: number.throughput },
    platform_type: number.registered ? 'CLOUD_API' : 'NOT_APPLICABLE',
    account_mode: 'LIVE',
    is_official_business_account: false,
    is_on_biz_app: number.business_app !== undefined,
    is_pin_enabled: number.pin !== undefined,
    whatsapp_business_manager_messaging_limit: number.messaging_limit,
    webhook_configuration: {
      ...(number.override && { phone_number: number.override.url }),
      ...(app?.webhook_url !== undefined && { application: app.webhook_url }),
    },
    health_status: { can_send_message: number.status === 'CONNECTED' ? 'AVAILABLE' : 'BLOCKED', entities: [] },
    last_onboarded_time: '2026-01-15T10:00:00+0000',
  }
}

export function getNumber(sim: Sim, number: PhoneNumber, request: GraphRequest): void {
  sendJson(request.res, 200, selectFields(numberNode(sim.world, number), 'WhatsAppBusinessPhoneNumber', request.query.get('fields'), usual))
}

export const showNumber =
  (sim: Sim, fields: string | null) =>
  (number: PhoneNumber): Fields =>
    selectFields(numberNode(sim.world, number), 'WhatsAppBusinessPhoneNumber', fields, usual)

/** `POST /{phone-number-id}`: two-step PIN, or an address of its own for the webhooks. */
export async function postNumber(number: PhoneNumber, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  const configuration = body['webhook_configuration']
  if (configuration !== undefined) {
    if (!isObject(configuration)) throw new GraphError(100, { message: '(#100) Param webhook_configuration must be an object' })
    const url = configuration['override_callback_uri']
    number.override = url === '' ? undefined : await verifiedCallback(url, configuration['verify_token'])
  }
  if (body['pin'] !== undefined) number.pin = pinOf(body['pin'])
  sendJson(request.res, 200, { success: true })
}

/** An override is taken only if the address answers the challenge. */
export async function verifiedCallback(url: unknown, verifyToken: unknown): Promise<{ url: string; verify_token: string }> {
  const address = plain.url(plain.text(url, 'override_callback_uri', 200), 'override_callback_uri')
  const token = plain.text(verifyToken, 'verify_token', 1000)
  const failure = await challengeFailure(address, token)
  if (failure !== undefined) throw new GraphError(2200, { message: `(#2200) Callback verification failed: ${failure}` })
  return { url: address, verify_token: token }
}

function pinOf(value: unknown): string {
  const pin = plain.text(value, 'pin', 6)
  if (!/^\d{6}$/.test(pin)) throw new GraphError(100, { message: '(#100) Param pin must be six digits' })
  return pin
}

const lockout = 72 * 3_600_000

export async function register(number: PhoneNumber, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  if (body['messaging_product'] !== 'whatsapp') throw new GraphError(100, { message: '(#100) The parameter messaging_product is required.' })
  const pin = pinOf(body['pin'])
  const now = Date.now()
  number.registrations = number.registrations.filter((at) => now - at < lockout)
  if (number.registrations.length >= 10) throw new GraphError(133016, { details: 'Too many registrations of this number in 72 hours' })
  number.registrations.push(now)
  if (number.pin !== undefined && number.pin !== pin) throw new GraphError(133005, { details: 'Two-step verification PIN mismatch' })
  number.pin = pin
  number.registered = true
  number.status = 'CONNECTED'
  sendJson(request.res, 200, { success: true })
}

export function deregister(number: PhoneNumber, request: GraphRequest): void {
  if (!number.registered) throw new GraphError(133010, { details: 'The number is not registered' })
  number.registered = false
  number.status = 'DISCONNECTED'
  sendJson(request.res, 200, { success: true })
}

const profileLimits: Readonly<Record<string, number>> = {
  about: 139,
  address: 256,
  description: 512,
  email: 128,
  vertical: 40,
  profile_picture_handle: 2000,
}

export function getProfile(number: PhoneNumber, request: GraphRequest): void {
  const asked = request.query.get('fields')
  const names = asked === null ? Object.keys(number.profile) : asked.split(',')
  const shown = Object.fromEntries(names.filter((name) => number.profile[name] !== undefined).map((name) => [name, number.profile[name]]))
  sendJson(request.res, 200, { data: [{ ...shown, messaging_product: 'whatsapp' }] })
}

export async function postProfile(number: PhoneNumber, request: GraphRequest): Promise<void> {
  const body = await readFields(request)
  if (body['messaging_product'] !== 'whatsapp') throw new GraphError(100, { message: '(#100) The parameter messaging_product is required.' })
  const change: Fields = {}
  for (const [key, value] of Object.entries(body)) {
    const max = profileLimits[key]
    if (max !== undefined) change[key] = key === 'about' ? plain.text(value, key, max) : (plain.optionalText(value, key, max) ?? '')
    else if (key === 'websites') change[key] = plain.list(value, key, 0, 2).map((site) => plain.text(plain.url(site, key), key, 256))
    else if (key !== 'messaging_product')
      throw new GraphError(100, { message: `(#100) Unexpected key "${key}" on param "whatsapp_business_profile".` })
  }
  Object.assign(number.profile, change)
  sendJson(request.res, 200, { success: true })
}
