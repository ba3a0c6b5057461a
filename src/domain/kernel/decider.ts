/** A pure model of one stream: what happened (`evolve`) and what may happen next (`decide`). No clock, no I/O, no random ids: they come in the command. */
export type Decider<Command, Event, State, Refusal> = {
  initial: State
  evolve: (state: State, event: Event) => State
  decide: (command: Command, state: State) => Decision<Event, Refusal>
}

/** Events to append, none when the wish is already true, or why not. A refusal is a value: it becomes 409 at the edge, never an exception. */
export type Decision<Event, Refusal> = { events: readonly Event[] } | { refused: Refusal }

export const happened = <E>(...events: readonly E[]): { events: readonly E[] } => ({ events })
export const nothing: { events: readonly never[] } = { events: [] }
export const refuse = <R>(refused: R): { refused: R } => ({ refused })
