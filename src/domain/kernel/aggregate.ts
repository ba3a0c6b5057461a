import type { Category } from './stream.ts'
import type { Decider } from './decider.ts'

/** A decider and where its events live. */
export type Aggregate<Command, Event extends { type: string }, State, Refusal> = Decider<Command, Event, State, Refusal> & {
  readonly category: Category
  /** Whose key seals the secrets in its events: the stream's id and its state after the events. */
  readonly subject: (id: string, state: State) => string
}
