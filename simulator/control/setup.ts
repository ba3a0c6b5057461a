import { z } from 'zod'
import { graphId, phoneDigits, templateId } from '../wire/ids.ts'
import type { Sim } from '../sim.ts'
import type { App, BusinessApp, PhoneNumber, Template, Token, Waba } from '../world/world.ts'

export const defaultAppId = '100000000000001'

const id = z.string().regex(/^\d{5,20}$/)

export const appInput = z.strictObject({
  id: id.optional(),
  secret: z.string().min(1),
  verify_token: z.string().min(1),
  webhook_url: z.url().optional(),
})
export const wabaInput = z.strictObject({
  id: id.optional(),
  name: z.string().optional(),
  /** Whether the default app gets its webhooks already. At Meta it does not until `POST subscribed_apps`; true spares every test that call. */
  subscribed: z.boolean().default(true),
})
export const numberInput = z.strictObject({
  waba_id: id.optional(),
  phone_number_id: id.optional(),
  display_phone_number: z.string().optional(),
  verified_name: z.string().optional(),
  registered: z.boolean().default(true),
  allow_list: z.array(z.string()).optional(),
  subscribed: z.boolean().default(true),
})
export const numberPatch = z.strictObject({
  verified_name: z.string().optional(),
  quality_rating: z.string().optional(),
  status: z.string().optional(),
  registered: z.boolean().optional(),
  throughput: z.string().optional(),
  messaging_limit: z.string().optional(),
  allow_list: z.array(z.string()).nullable().optional(),
  /** On the business app of a phone, and since when (seconds since 1970, now by default); null takes it off. */
  business_app: z
    .strictObject({ onboarded_at: z.number().optional(), shares_history: z.boolean().default(true) })
    .nullable()
    .optional(),
})
export const tokenInput = z.strictObject({ token: z.string().min(8).optional(), app_id: id.optional(), waba_ids: z.array(id).optional() })

export function addApp(sim: Sim, input: z.input<typeof appInput>): App {
  const { id = graphId(), ...rest } = appInput.parse(input)
  const app = { id, ...rest }
  sim.world.apps.set(id, app)
  return app
}

/** A WhatsApp Business Account, with the `hello_world` template that Meta gives to every new one. */
export function addWaba(sim: Sim, input: z.input<typeof wabaInput> = {}): Waba {
  const { id = graphId(), name = 'Simulated business', subscribed } = wabaInput.parse(input)
  const existing = sim.world.wabas.get(id)
  if (existing) return existing
  const waba: Waba = {
    id,
    name,
    subscriptions: new Map(subscribed ? [[defaultAppId, {}]] : []),
    templates: new Map(),
    blocked_names: new Map(),
    template_creations: [],
  }
  sim.world.wabas.set(id, waba)
  const hello: Template = {
    id: templateId(),
    waba_id: id,
    name: 'hello_world',
    language: 'en_US',
    category: 'UTILITY',
    status: 'APPROVED',
    parameter_format: 'POSITIONAL',
    quality: 'GREEN',
    components: [
      { type: 'HEADER', format: 'TEXT', text: 'Hello World' },
      { type: 'BODY', text: 'Welcome and congratulations!! This message demonstrates your ability to send a WhatsApp message notification.' },
      { type: 'FOOTER', text: 'WhatsApp Business Platform sample message' },
    ],
  }
  waba.templates.set(hello.id, hello)
  sim.world.templates.set(hello.id, hello)
  return waba
}

export function addNumber(sim: Sim, input: z.input<typeof numberInput> = {}): PhoneNumber {
  const given = numberInput.parse(input)
  const display =
    given.display_phone_number ??
    `+1 555-${String(sim.world.numbers.size + 100).padStart(3, '0')}-0${String(sim.world.numbers.size % 1000).padStart(3, '0')}`
  const digits = phoneDigits(display)
  if (digits === undefined) throw new Error('display_phone_number is not a phone number')
  const waba = addWaba(sim, { id: given.waba_id ?? sim.world.wabas.keys().next().value, subscribed: given.subscribed })
  const number: PhoneNumber = {
    id: given.phone_number_id ?? graphId(),
    waba_id: waba.id,
    display_phone_number: display,
    digits,
    verified_name: given.verified_name ?? waba.name,
    quality_rating: 'GREEN',
    status: given.registered ? 'CONNECTED' : 'PENDING',
    registered: given.registered,
    registrations: [],
    throughput: 'STANDARD',
    messaging_limit: 'TIER_2K',
    allow_list: given.allow_list && allowList(given.allow_list),
    profile: { about: '', vertical: 'UNDEFINED' },
    tokens: Infinity,
    tokens_at: Date.now(),
    service_delivered: 0,
  }
  sim.world.numbers.set(number.id, number)
  return number
}

const allowList = (phones: readonly string[]): ReadonlySet<string> => new Set(phones.map((phone) => phoneDigits(phone) ?? phone))

export function patchNumber(number: PhoneNumber, input: z.input<typeof numberPatch>): PhoneNumber {
  const { allow_list, business_app, ...rest } = numberPatch.parse(input)
  Object.assign(number, Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)))
  if (business_app !== undefined) number.business_app = business_app === null ? undefined : onPhone(business_app)
  if (allow_list !== undefined) number.allow_list = allow_list === null ? undefined : allowList(allow_list)
  return number
}

const onPhone = ({ onboarded_at, shares_history }: { onboarded_at?: number | undefined; shares_history: boolean }): BusinessApp => ({
  onboarded_at: onboarded_at === undefined ? Date.now() : onboarded_at * 1000,
  shares_history,
  synced: new Set(),
})

/** Without `waba_ids` the token sees every account. */
export function addToken(sim: Sim, input: z.input<typeof tokenInput> = {}): Token {
  const { token = `EAAsim${graphId()}${graphId()}`, app_id = defaultAppId, waba_ids } = tokenInput.parse(input)
  const saved = { token, app_id, waba_ids: waba_ids && new Set(waba_ids) }
  sim.world.tokens.set(token, saved)
  return saved
}

/** Forgets messages, chats, customers, media and what is on its way. Apps, accounts, numbers, tokens and templates stay. */
export function forgetTraffic(sim: Sim): void {
  const { world } = sim
  sim.outbox.clear()
  sim.scheduler.clear()
  for (const kept of [world.messages, world.threads, world.customers, world.callbacks, world.media, world.aliases]) kept.clear()
  world.media_bytes = 0
  for (const number of world.numbers.values())
    Object.assign(number, { tokens: Infinity, tokens_at: Date.now(), service_delivered: 0, registrations: [] })
}
