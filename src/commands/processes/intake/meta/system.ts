import type { Person } from '../../../contacts/meet-contact.ts'
import type { ContactItem } from './items.ts'
import { metaSystem, type MetaMessage } from './schema.ts'

/** Also the spellings of older webhooks. */
const moves = new Set(['user_changed_number', 'user_changed_user_id', 'customer_changed_number'])

/** That somebody goes by another number or user id from now on. Undefined for other news of the system, and for news that do not say what is new. */
export function identityReplaced(message: MetaMessage): ContactItem['news'] | undefined {
  const system = message.type === 'system' ? metaSystem.safeParse(message['system']).data : undefined
  if (system === undefined || !moves.has(system.type)) return undefined
  const waId = system.wa_id ?? system.new_wa_id
  if (waId === undefined && system.user_id === undefined) return undefined
  const now: Person = { waId, bsuid: system.user_id, parentBsuid: system.parent_user_id }
  return { kind: 'identity_replaced', now }
}

/** The former number, where a message of the system has no sender. */
export const formerNumber = (message: MetaMessage): string | undefined =>
  message.type === 'system' ? metaSystem.safeParse(message['system']).data?.customer : undefined
