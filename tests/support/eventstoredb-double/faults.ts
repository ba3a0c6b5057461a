import type { Refusal } from './grpc.ts'

export type Operation = 'append' | 'read' | 'subscribe' | 'delete' | 'features' | 'gossip'

/** What the double can be told to do wrong. Appends are meant by 'append' on both paths, classic and batch. */
export type Misdeed =
  /** Takes the call, does nothing, never answers. */
  | { kind: 'hang' }
  /** Waits, then does the work. */
  | { kind: 'slow'; ms: number }
  /** Does the work at once and answers later. */
  | { kind: 'late'; ms: number }
  /** Does the work and never answers. */
  | { kind: 'lose-answer' }
  /** Does the work, then answers with an error or resets the connection. */
  | { kind: 'store-then'; with: Refusal | 'reset' }
  /** Does nothing and resets the TCP connection. */
  | { kind: 'reset' }
  /** Does nothing and fails with this error (see refusals.ts). */
  | { kind: 'refuse'; with: Refusal }
  /** Reads and subscriptions: after so many events a clean end, an end without a status (RST_STREAM 0), a dropped consumer, a reset, or silence. */
  | { kind: 'end'; after: number; how: 'ok' | 'no-status' | 'too-slow' | 'reset' | 'silence' | 'fell-behind' }

/** `times` calls (all when left out) of these operations (all when left out), to these streams only when given. */
export type Fault = Misdeed & { on?: readonly Operation[]; times?: number; streams?: (name: string) => boolean }

/** The faults in force: the first that fits a call is taken for it. */
export function createFaults() {
  let inForce: { fault: Fault; left: number }[] = []
  return {
    /** @returns what ends it. */
    add(fault: Fault): () => void {
      const entry = { fault, left: fault.times ?? Infinity }
      inForce.push(entry)
      return () => {
        inForce = inForce.filter((other) => other !== entry)
      }
    },
    take(operation: Operation, stream: string): Misdeed | undefined {
      const entry = inForce.find(({ fault, left }) => left > 0 && (fault.on?.includes(operation) ?? true) && (fault.streams?.(stream) ?? true))
      if (entry) entry.left -= 1
      return entry?.fault
    },
    clear(): void {
      inForce = []
    },
  }
}
export type Faults = ReturnType<typeof createFaults>

/** How an answer leaves when a fault concerns it; `work` stores. Calls whose client is gone by then are answered into the void, as on the wire. */
export function underFault<Result>(
  misdeed: Misdeed | undefined,
  steps: {
    work: () => Promise<Result> | 'never'
    answer: (result: Result) => void
    refuse: (refusal: Refusal) => void
    reset: () => void
    neverAnswer: () => void
  },
): void {
  const work = (then: (result: Result) => void): void => {
    const done = steps.work()
    if (done === 'never') steps.neverAnswer()
    else void done.then(then, () => steps.reset())
  }
  switch (misdeed?.kind) {
    case undefined:
    case 'end':
      return work(steps.answer)
    case 'hang':
      return undefined
    case 'reset':
      return steps.reset()
    case 'refuse':
      return steps.refuse(misdeed.with)
    case 'slow':
      setTimeout(() => work(steps.answer), misdeed.ms)
      return undefined
    case 'late':
      return work((result) => void setTimeout(() => steps.answer(result), misdeed.ms))
    case 'lose-answer':
      return work(() => undefined)
    case 'store-then': {
      const { with: ending } = misdeed
      return work(() => (ending === 'reset' ? steps.reset() : steps.refuse(ending)))
    }
    default:
      return misdeed satisfies never
  }
}
