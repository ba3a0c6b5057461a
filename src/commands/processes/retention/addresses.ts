import type { Clock } from '../../../domain/kernel/clock.ts'
import { addressMonths } from '../../../domain/tenant/retention-settings.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { addressSubjects } from '../../audit/trail.ts'
import type { Commands } from '../../kernel/execute.ts'
import type { KeyDestroyer, KeySubject } from '../../ports/key-destroyer.ts'

export type AddressRetention = { readonly keys: KeyDestroyer; readonly commands: Pick<Commands, 'load'>; readonly clock: Clock }

/**
 * Forgets where requests came from, month by month, by destroying the key of a month when its organisation's time is over: entries of the audit trail stay
 * and say who did what, without an address. Answers how many keys went.
 */
export function createForgetAddresses({ keys, commands, clock }: AddressRetention) {
  return async (signal: AbortSignal): Promise<number> => {
    const thisMonth = monthOf(clock().toISOString())
    const over: KeySubject[] = []
    for (const [tenantId, theirs] of Map.groupBy(await keys.standing(addressSubjects), (one) => one.tenantId)) {
      signal.throwIfAborted()
      const { state } = await commands.load(tenant, tenantId, tenantId)
      const kept = addressMonths(state.settings)
      over.push(...theirs.filter(({ subject }) => monthOf(subject.slice(addressSubjects.length)) + kept < thisMonth))
    }
    return over.length === 0 ? 0 : keys.destroy(over)
  }
}

/** Months since the year 0; of what is none: not a number, which is never over. */
const monthOf = (text: string): number => Number(text.slice(0, 4)) * 12 + Number(text.slice(5, 7))
