import { platformTenant } from '../../domain/kernel/stream.ts'
import { fieldIn, idIn, numberIn, wabaIn } from './whose.ts'

/** Who answers for a number or a business account. Kept in memory by the directory. */
export type Routes = {
  readonly channelOfNumber: (phoneNumberId: string) => { tenantId: string; channelId: string } | undefined
  /** A business account may be shared by channels of several tenants: its account-level news concern all of them. */
  readonly tenantsOfWaba: (wabaId: string) => readonly string[]
}

/** A tenant's part of a delivery; `value` is undefined where the whole delivery is that one tenant's, so its bytes can be kept as they came. */
export type Part = { readonly tenantId: string; readonly value: unknown }

/**
 * Whose a delivery is. The provider may put changes of several tenants into one delivery; each tenant gets the entries and changes that are its own
 * and never sees a neighbour's. What belongs to nobody (yet) goes to the platform tenant.
 */
export function routeDelivery(delivery: unknown, routes: Routes): readonly Part[] {
  const changes = changesOf(delivery)
  const tenants = new Set<string>()
  const owned = changes.map((change) => {
    const owners = ownersOf(change, routes)
    for (const owner of owners) tenants.add(owner)
    return { change, owners }
  })
  const [only = platformTenant] = tenants
  if (tenants.size <= 1) return [{ tenantId: only, value: undefined }]
  return [...tenants].map((tenantId) => ({
    tenantId,
    value: pick(
      delivery,
      owned.filter(({ owners }) => owners.includes(tenantId)).map(({ change }) => change),
    ),
  }))
}

/** The numbers and business accounts a delivery speaks of, for parking it until they are known. */
export function addressesOf(delivery: unknown): { phoneNumberIds: readonly string[]; wabaIds: readonly string[] } {
  const phoneNumberIds = new Set<string>()
  const wabaIds = new Set<string>()
  for (const { phoneNumberId, wabaId } of changesOf(delivery)) {
    if (phoneNumberId !== undefined) phoneNumberIds.add(phoneNumberId)
    else if (wabaId !== undefined) wabaIds.add(wabaId)
  }
  return { phoneNumberIds: [...phoneNumberIds], wabaIds: [...wabaIds] }
}

type Change = { readonly entry: object; readonly change: unknown; readonly phoneNumberId: string | undefined; readonly wabaId: string | undefined }

function changesOf(delivery: unknown): readonly Change[] {
  return arrayIn(delivery, 'entry').flatMap((entry) => {
    if (typeof entry !== 'object' || entry === null) return []
    return arrayIn(entry, 'changes').map((change) => {
      const value = fieldIn(change, 'value')
      return { entry, change, phoneNumberId: numberIn(value), wabaId: wabaIn(value) ?? idIn(entry, 'id') }
    })
  })
}

function ownersOf({ phoneNumberId, wabaId }: Change, routes: Routes): readonly string[] {
  if (phoneNumberId !== undefined) {
    const channel = routes.channelOfNumber(phoneNumberId)
    return [channel?.tenantId ?? platformTenant]
  }
  const tenants = wabaId === undefined ? [] : routes.tenantsOfWaba(wabaId)
  return tenants.length === 0 ? [platformTenant] : tenants
}

function pick(delivery: unknown, changes: readonly Change[]): unknown {
  const entries = new Map<object, unknown[]>()
  for (const { entry, change } of changes) entries.set(entry, [...(entries.get(entry) ?? []), change])
  return { ...(delivery as object), entry: [...entries].map(([entry, own]) => ({ ...entry, changes: own })) }
}

const arrayIn = (value: unknown, name: string): readonly unknown[] => {
  const field = fieldIn(value, name)
  return Array.isArray(field) ? field : []
}
