import { createBoundedMap, type BoundedMap } from './bounded-map.ts'
import type { StatusName } from './switches.ts'

/** Data of the simulator keeps Meta's snake_case throughout: most of it goes over a wire as it is. */
export type Callback = { readonly url: string; readonly verify_token: string }
export type App = { id: string; secret: string; verify_token: string; webhook_url?: string | undefined }
export type Token = { readonly token: string; readonly app_id: string; readonly waba_ids?: ReadonlySet<string> | undefined }

export type Waba = {
  readonly id: string
  name: string
  /** Which apps get its webhooks, and where if not at the app's own address. */
  readonly subscriptions: Map<string, { override?: Callback | undefined }>
  readonly templates: Map<string, Template>
  /** Names of approved templates that were deleted, with the moment until which they are blocked. */
  readonly blocked_names: Map<string, number>
  /** Moments of the latest creations, for the hourly limit. */
  template_creations: number[]
}

export type PhoneNumber = {
  readonly id: string
  readonly waba_id: string
  /** As people read it (`+1 555-000-1111`); `digits` is the same without decoration. */
  display_phone_number: string
  digits: string
  verified_name: string
  quality_rating: string
  status: string
  registered: boolean
  pin?: string | undefined
  registrations: number[]
  throughput: string
  messaging_limit: string
  /** A test number reaches only these (131030). */
  allow_list?: ReadonlySet<string> | undefined
  override?: Callback | undefined
  profile: Record<string, unknown>
  /** Bucket of the throughput limit: as many tokens as may be sent right now, as of a moment. */
  tokens: number
  tokens_at: number
  /** The number stays on the WhatsApp Business app of a phone. */
  business_app?: BusinessApp | undefined
  /** Service messages delivered; the first thousand of a month are free. */
  service_delivered: number
}

/** `synced`: what was asked for already, once each and within a day of `onboarded_at`. */
export type BusinessApp = { readonly onboarded_at: number; readonly shares_history: boolean; readonly synced: Set<string> }

export type Customer = {
  /** Digits. */
  readonly phone: string
  /** What Meta knows the phone as: differs from it in Brazil and Mexico. */
  readonly wa_id: string
  name: string
  readonly bsuid: string
  username?: string | undefined
  /** The phone is not shown to businesses: webhooks carry the business-scoped user id only. */
  hidden: boolean
  auto_read?: boolean | undefined
  read_receipts: boolean
  on_whatsapp: boolean
}

export type Message = {
  readonly id: string
  readonly direction: 'business' | 'customer'
  readonly phone_number_id: string
  readonly customer: string
  readonly type: string
  readonly object: unknown
  readonly context_id?: string | undefined
  readonly callback_data?: string | undefined
  /** `recipient` when it was addressed to the business-scoped user id. */
  readonly addressed_by?: 'to' | 'recipient'
  readonly category?: string
  readonly at: number
  /** Of a business message what was told to the business; of a customer's message `read` once the business read it. */
  status: 'accepted' | StatusName | 'received'
  priced?: boolean
  error_code?: number
}

/** What one customer and one number have with each other. */
export type Thread = {
  readonly key: string
  last_inbound_at?: number
  /** Theoretical arrival time of the pair limit (GCRA). */
  pair_tat: number
  /** Ids of the latest messages, oldest first. */
  recent: string[]
}

export type Medium = {
  readonly id: string
  readonly phone_number_id: string
  readonly mime_type: string
  readonly bytes: Buffer
  readonly sha256: Buffer
  readonly filename?: string | undefined
  readonly expires_at: number
}

export type Template = {
  readonly id: string
  readonly waba_id: string
  name: string
  language: string
  category: string
  status: string
  parameter_format: 'POSITIONAL' | 'NAMED'
  components: readonly Record<string, unknown>[]
  rejected_reason?: string | undefined
  quality: string
  message_send_ttl_seconds?: number | undefined
  /** When it was edited while approved, for the limits of edits. */
  edits?: number[]
  /** Counts the reviews: an outcome that was due before a later edit is none. */
  review?: number
}

export type World = {
  readonly apps: Map<string, App>
  readonly tokens: Map<string, Token>
  readonly wabas: Map<string, Waba>
  readonly numbers: Map<string, PhoneNumber>
  /** By phone, by wa_id and by business-scoped user id: one customer has up to three keys. */
  readonly customers: BoundedMap<string, Customer>
  readonly aliases: Map<string, string>
  readonly threads: BoundedMap<string, Thread>
  readonly messages: BoundedMap<string, Message>
  /** How often each callback data was accepted: finds a double send even after its messages were forgotten. */
  readonly callbacks: BoundedMap<string, number>
  readonly media: BoundedMap<string, Medium>
  readonly templates: Map<string, Template>
  /** Sessions of the resumable upload that have begun: how many bytes are to come. */
  readonly uploads: BoundedMap<string, number>
  media_bytes: number
}

export type Limits = { readonly messages: number; readonly customers: number; readonly mediaBytes: number }
export const defaultLimits: Limits = { messages: 50_000, customers: 100_000, mediaBytes: 256 * 1024 * 1024 }

export function createWorld(limits: Limits): World {
  const aliases = new Map<string, string>()
  const world: World = {
    apps: new Map(),
    tokens: new Map(),
    wabas: new Map(),
    numbers: new Map(),
    aliases,
    customers: createBoundedMap(limits.customers, (customer) => {
      aliases.delete(customer.wa_id)
      aliases.delete(customer.bsuid)
    }),
    threads: createBoundedMap(2 * limits.customers),
    messages: createBoundedMap(limits.messages),
    callbacks: createBoundedMap(10 * limits.messages),
    uploads: createBoundedMap(1_000),
    media: createBoundedMap(20_000, (medium) => {
      world.media_bytes -= medium.bytes.length
    }),
    templates: new Map(),
    media_bytes: 0,
  }
  return world
}

/** Finds a customer by phone digits, wa_id or business-scoped user id. */
export function findCustomer(world: World, key: string): Customer | undefined {
  return world.customers.get(key) ?? world.customers.get(world.aliases.get(key) ?? '')
}

export function putCustomer(world: World, customer: Customer): Customer {
  world.customers.set(customer.phone, customer)
  world.aliases.set(customer.wa_id, customer.phone)
  world.aliases.set(customer.bsuid, customer.phone)
  return customer
}

export function threadOf(world: World, numberId: string, phone: string): Thread {
  const key = `${numberId}:${phone}`
  const existing = world.threads.get(key)
  if (existing) return existing
  const thread: Thread = { key, pair_tat: 0, recent: [] }
  world.threads.set(key, thread)
  return thread
}

const recentMessages = 100

/** Keeps a message, in its thread as well. */
export function putMessage(world: World, message: Message): Thread {
  world.messages.set(message.id, message)
  const thread = threadOf(world, message.phone_number_id, message.customer)
  thread.recent.push(message.id)
  if (thread.recent.length > recentMessages) thread.recent.shift()
  return thread
}

export function putMedium(world: World, medium: Medium, limits: Limits): void {
  for (const old of world.media.values()) {
    if (world.media_bytes + medium.bytes.length <= limits.mediaBytes) break
    dropMedium(world, old)
  }
  world.media.set(medium.id, medium)
  world.media_bytes += medium.bytes.length
}

export function dropMedium(world: World, medium: Medium): void {
  if (world.media.delete(medium.id)) world.media_bytes -= medium.bytes.length
}

/** A medium that has not expired. */
export function liveMedium(world: World, id: string): Medium | undefined {
  const medium = world.media.get(id)
  return medium && medium.expires_at > Date.now() ? medium : undefined
}
