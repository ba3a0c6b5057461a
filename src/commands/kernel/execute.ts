import { LRUCache } from 'lru-cache'
import type { Aggregate } from '../../domain/kernel/aggregate.ts'
import { fromStored, hasSecrets, toStored } from '../../domain/kernel/codec.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { start, type Position } from '../../domain/kernel/position.ts'
import { streamName, streamRef, type StreamRef } from '../../domain/kernel/stream.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

/**
 * What came of a command. `position` is where a reader has to be to see it: that of the last event of the stream, also when nothing had to happen.
 * `stale_version` is the answer to an `ifVersion` (If-Match) that no longer holds.
 */
export type Outcome<Event, Refusal, State> =
  | { readonly position: Position; readonly version: number; readonly events: readonly Event[]; readonly state: State }
  | { readonly refused: Refusal }
  | { readonly stale: { readonly version: number } }

/** The versions that a command may be based on, as an `If-Match` names them; undefined: any. */
export type IfVersion = readonly number[] | undefined

export type Loaded<State> = { readonly state: State; readonly version: number; readonly position: Position }

export type Commands = {
  /**
   * load → decide → append; a conflict is decided anew on fresh state. Commands of one stream run one after another in this process.
   * `unseen`: the stream is probably new, so what this process does not know is first taken for empty. The store tells when that is wrong; then it is read.
   */
  execute: <C, E extends { type: string }, S, R>(
    aggregate: Aggregate<C, E, S, R>,
    id: string,
    command: C,
    context: CommandContext,
    options?: { ifVersion?: IfVersion; unseen?: boolean },
  ) => Promise<Outcome<E, R, S>>
  /** Several commands for one stream, decided one on top of the other and appended as one: all of them or none. Refused ones leave no event. */
  executeAll: <C, E extends { type: string }, S, R>(
    aggregate: Aggregate<C, E, S, R>,
    id: string,
    commands: readonly { command: C; context: CommandContext }[],
    options?: { unseen?: boolean },
  ) => Promise<{ outcomes: readonly Outcome<E, R, S>[] }>
  /** The stream's state as this process knows it: at least as new as what it wrote itself. Version 0: it does not exist, which was looked up just now. */
  load: <C, E extends { type: string }, S, R>(aggregate: Aggregate<C, E, S, R>, tenantId: string, id: string) => Promise<Loaded<S>>
}

type Entry<S> = { readonly state: S; readonly version: number; readonly position: Position }
type Known<S> = Entry<S> & { readonly sure: boolean }

const conflictRetries = 20
const cachedEvents = 1_000_000

/**
 * The in-process cache of folded state makes the usual command append without a read: correct because the append carries the cached version,
 * so a state that another process has outrun is refused by the store, and what is new is read on top of it. An answer that appends nothing is checked by
 * a read. The cache is bounded by the events that its states were folded from, since states grow with them, beside the number of streams.
 */
export function createCommands({ store, vault, cacheSize = 20_000 }: { store: EventStore; vault: Vault; cacheSize?: number }): Commands {
  const cache = new LRUCache<string, Entry<unknown>>({
    max: cacheSize,
    maxSize: cachedEvents,
    sizeCalculation: ({ version }) => Math.max(1, version),
  })
  const turns = new Map<string, Promise<unknown>>()

  /** One at a time per stream: within the process, commands wait for their turn instead of meeting as conflicts. */
  async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(key)
    const mine = before === undefined ? work() : before.then(work, work)
    turns.set(key, mine)
    try {
      return await mine
    } finally {
      if (turns.get(key) === mine) turns.delete(key)
    }
  }

  /** The state as far as it is known here; `sure` when it was read just now. */
  async function fold<C, E extends { type: string }, S, R>(
    aggregate: Aggregate<C, E, S, R>,
    stream: StreamRef,
    key: string,
    unseen = false,
  ): Promise<Known<S>> {
    const cached = cache.get(key) as Entry<S> | undefined
    if (cached !== undefined) return { ...cached, sure: false }
    return unseen ? { state: aggregate.initial, version: 0, position: start, sure: false } : catchUp(aggregate, stream, key)
  }

  /** Reads what was appended since the cached state, if anything. Streams that do not exist are not remembered: that is what changes first. */
  async function catchUp<C, E extends { type: string }, S, R>(aggregate: Aggregate<C, E, S, R>, stream: StreamRef, key: string): Promise<Known<S>> {
    let entry = (cache.get(key) as Entry<S> | undefined) ?? { state: aggregate.initial, version: 0, position: start }
    for await (const event of store.readStream(stream, { after: entry.version })) {
      entry = { state: aggregate.evolve(entry.state, fromStored<E>(event)), version: event.version, position: event.position }
    }
    if (entry.version > 0) cache.set(key, entry)
    return { ...entry, sure: true }
  }

  async function attempt<C, E extends { type: string }, S, R>(
    aggregate: Aggregate<C, E, S, R>,
    stream: StreamRef,
    key: string,
    entry: Known<S>,
    commands: readonly { command: C; context: CommandContext }[],
  ): Promise<readonly Outcome<E, R, S>[] | 'conflict'> {
    const decided = decideAll(aggregate, entry.state, commands)
    const state = decided.at(-1)?.state ?? entry.state
    const fresh = decided.flatMap((one) => one.events.map((event, index) => ({ event, index, context: one.context })))
    const answer = (version: number, position: Position): Outcome<E, R, S>[] =>
      decided.map((one) => (one.refused === undefined ? { version, position, events: one.events, state: one.state } : { refused: one.refused }))
    if (fresh.length === 0) {
      // Nothing will be appended, so the store will not tell whether another process has outrun us: look before it is said.
      if (!entry.sure && (await catchUp(aggregate, stream, key)).version !== entry.version) return 'conflict'
      return answer(entry.version, entry.position)
    }

    const subject = aggregate.subject(stream.id, state)
    if (fresh.some(({ event }) => hasSecrets(event))) await vault.ensure(stream.tenantId, [subject])
    const events = fresh.map(({ event, index, context }) => toStored(event, { stream, index, subject }, context, vault))
    const result = await store.append({ stream, expected: entry.version, events })
    // What is cached is the state before this append, and stays true as far as it goes.
    if (result.outcome === 'conflict') return 'conflict'
    // A duplicate means that an earlier try of this very command was stored although its answer got lost: the events are there, other ones may follow them.
    if (result.outcome === 'duplicate') cache.delete(key)
    else cache.set(key, { state, version: result.version, position: result.position })
    return answer(result.version, result.position)
  }

  async function run<C, E extends { type: string }, S, R>(
    aggregate: Aggregate<C, E, S, R>,
    id: string,
    commands: readonly { command: C; context: CommandContext }[],
    { ifVersion, unseen }: { ifVersion?: IfVersion; unseen?: boolean } = {},
  ): Promise<readonly Outcome<E, R, S>[]> {
    const [first] = commands
    if (first === undefined) return []
    const stream = streamRef(aggregate.category, first.context.tenantId, id)
    const key = streamName(stream)
    return inTurn(key, async () => {
      for (let tries = 0; tries < conflictRetries; tries++) {
        // After a conflict only what was appended meanwhile is read: a long stream from its beginning would lose the next race, too.
        let entry = tries === 0 ? await fold(aggregate, stream, key, unseen) : await catchUp(aggregate, stream, key)
        if (ifVersion !== undefined) {
          if (!ifVersion.includes(entry.version) && !entry.sure) entry = await catchUp(aggregate, stream, key)
          if (!ifVersion.includes(entry.version)) return [{ stale: { version: entry.version } }]
        }
        try {
          const outcomes = await attempt(aggregate, stream, key, entry, commands)
          if (outcomes !== 'conflict') return outcomes
        } catch (error) {
          // Nobody knows whether it was stored: the next command must look.
          cache.delete(key)
          throw error
        }
      }
      // Should memory ever be ahead of the log (one restored under a running process), it must not stay so.
      cache.delete(key)
      throw new Error(`the stream ${aggregate.category} ${id} changed under every one of ${conflictRetries} tries`)
    })
  }

  return {
    async execute(aggregate, id, command, context, options) {
      const [outcome] = await run(aggregate, id, [{ command, context }], options)
      if (outcome === undefined) throw new Error('a command has one outcome')
      return outcome
    },
    async executeAll(aggregate, id, commands, options) {
      return { outcomes: await run(aggregate, id, commands, options) }
    },
    async load(aggregate, tenantId, id) {
      const stream = streamRef(aggregate.category, tenantId, id)
      const entry = await fold(aggregate, stream, streamName(stream))
      return { state: entry.state, version: entry.version, position: entry.position }
    },
  }
}

type Decided<E, S, R> = { readonly events: readonly E[]; readonly state: S; readonly context: CommandContext; readonly refused?: R }

/** Each command is decided on what the ones before it would leave behind. */
function decideAll<C, E extends { type: string }, S, R>(
  aggregate: Aggregate<C, E, S, R>,
  before: S,
  commands: readonly { command: C; context: CommandContext }[],
): readonly Decided<E, S, R>[] {
  let state = before
  return commands.map(({ command, context }) => {
    const decision = aggregate.decide(command, state)
    if ('refused' in decision) return { events: [], state, context, refused: decision.refused }
    state = decision.events.reduce(aggregate.evolve, state)
    return { events: decision.events, state, context }
  })
}
