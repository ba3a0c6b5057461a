import type { Position } from '../../domain/kernel/position.ts'

/** How far what is published reaches, and where that ends in each partition: a reader who is there has seen everything up to `position`. */
export type Reached = { readonly position: Position; readonly ends: readonly string[] }

export type EventAt = { readonly position: Position; readonly id: string }

/** Where something is published as the log grows. */
export type Publication<Item> = {
  /** The topic; also names the lease under which it is written. */
  readonly name: string
  /**
   * Shuts out whoever published here before, also one that was only asleep, and says how far what is there reaches.
   * @throws PublicationTrouble
   */
  readonly open: (signal: AbortSignal) => Promise<OpenPublication<Item>>
}

export type OpenPublication<Item> = {
  readonly reached: Reached
  /** The last event that is there. A log that has another one in its place is another log. */
  readonly last: EventAt | undefined
  /**
   * These items in their order and `through`, all of it or nothing. `placesOnly`: without what is in them, for one that was refused; it is put on record. After a failure it may have happened or not, and only `open` can tell: this one is done for.
   * @throws PublicationTrouble
   */
  readonly publish: (items: readonly Item[], through: Position, how?: { readonly placesOnly?: boolean }) => Promise<Reached>
  readonly close: () => Promise<void>
}

/** One thing as it is now, for topics that keep the last of each. Undefined: it is no more, and what was said of it is to be forgotten. */
export type EntityState = {
  readonly tenantId: string
  readonly id: string
  readonly state: Readonly<Record<string, unknown>> | undefined
  /** What the fields mean: raised when they change. */
  readonly shape: number
  readonly at: EventAt
}

/**
 * Why nothing can be published now. `away`: nobody answers, or not in time; goes by itself. `superseded`: somebody else has opened it.
 * `refused`: the other side does not take one of the items. `unfit`: somebody has to change something, `message` says what.
 */
export class PublicationTrouble extends Error {
  override readonly name = 'PublicationTrouble'
  readonly kind: 'away' | 'superseded' | 'refused' | 'unfit'
  constructor(kind: 'away' | 'superseded' | 'refused' | 'unfit', message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}
