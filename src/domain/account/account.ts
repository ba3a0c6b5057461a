import { OrderedSet } from 'immutable'
import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing } from '../kernel/decider.ts'
import { derivedId } from '../kernel/ids.ts'
import { plain } from '../kernel/secret.ts'
import type { AccountEvent } from './events.ts'

export type HearNews = {
  readonly type: 'hear'
  readonly wabaId: string
  readonly key: string
  readonly field: string
  readonly event?: string | undefined
  readonly phoneNumberId?: string | undefined
  /** JSON text. */
  readonly value: string
  readonly at: string
}

/** Keys of the latest news, oldest first. Persistent: a copy of all of them for every piece of news made a long stream a matter of seconds to fold. */
export type Account = { readonly heard: OrderedSet<string> }

/**
 * Meta repeats a delivery for up to seven days, and to every subscribed app. An account has a handful of news in a week; one with calls has thousands.
 * A repeat that comes after so many others is kept twice and harms nobody: what follows from news is decided by its moment, not by its arrival.
 */
const remembered = 2_000

function evolve(state: Account, event: AccountEvent): Account {
  const heard = state.heard.add(event.key)
  return { heard: heard.size > remembered ? heard.delete(heard.first() ?? '') : heard }
}

export const account: Aggregate<HearNews, AccountEvent, Account, never> = {
  category: 'account',
  initial: { heard: OrderedSet() },
  evolve,
  decide({ wabaId, key, field, event, phoneNumberId, value, at }, { heard }) {
    if (heard.has(key)) return nothing
    const known = { ...(event === undefined ? {} : { event }), ...(phoneNumberId === undefined ? {} : { phoneNumberId }) }
    return happened({ type: 'AccountNewsReceived', wabaId, key, field, ...known, value: plain(value), at })
  },
  subject: (id) => `account:${id}`,
}

export const accountId = (tenantId: string, wabaId: string): string => derivedId('account', tenantId, wabaId)
