import type { Cards } from './people.ts'
import type { MetaValue } from './schema.ts'

/** One `changes[]` element on its way to items. */
export type Change = {
  readonly path: string
  readonly field: string
  readonly wabaId: string
  readonly value: MetaValue
  readonly people: Cards
  /** When the account's news happened, as far as Meta says. */
  readonly at: string
  readonly receivedAt: Date
}
/** A change of a number of ours. */
export type NumberChange = Change & { readonly phoneNumberId: string }
