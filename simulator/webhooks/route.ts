import type { World } from '../world/world.ts'

export type Target = { readonly url: string; readonly origin: string; readonly path: string; readonly secret: string }

/** Fields that an override moves to another address; all others always go to the app's own. */
const overridable = new Set([
  'messages',
  'message_echoes',
  'calls',
  'consumer_profile',
  'messaging_handovers',
  'group_lifecycle_update',
  'group_participants_update',
  'group_settings_update',
  'group_status_update',
  'smb_message_echoes',
  'smb_app_state_sync',
  'history',
  'account_settings_update',
])

const parsed = new Map<string, { origin: string; path: string }>()

function split(url: string): { origin: string; path: string } {
  const known = parsed.get(url)
  if (known) return known
  const { origin, pathname, search } = new URL(url)
  const parts = { origin, path: pathname + search }
  if (parsed.size < 1000) parsed.set(url, parts)
  return parts
}

/** Where an update goes: to every subscribed app, at the address of the number, else of the account, else of the app; always signed by the app's secret. */
export function route(world: World, update: { waba_id: string; phone_number_id?: string; field: string }): Target[] {
  const waba = world.wabas.get(update.waba_id)
  if (!waba) return []
  const number = update.phone_number_id === undefined ? undefined : world.numbers.get(update.phone_number_id)
  const targets: Target[] = []
  for (const [appId, { override }] of waba.subscriptions) {
    const app = world.apps.get(appId)
    if (!app) continue
    const moved = overridable.has(update.field) ? (number?.override ?? override)?.url : undefined
    const url = moved ?? app.webhook_url
    if (url !== undefined) targets.push({ url, ...split(url), secret: app.secret })
  }
  return targets
}
