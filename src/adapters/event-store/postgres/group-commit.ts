import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { StoreUnavailable, type Append, type AppendResult } from '../../../domain/kernel/event-store.ts'
import { positionOf } from '../../../domain/kernel/position.ts'
import { prepare } from '../prepared.ts'
import { appendBatch, type BatchOutcome, type Unit, type UnitOutcome } from './append-batch.ts'
import { createAppendQueue, type QueueLimits } from './append-queue.ts'
import { failureOf } from './failure.ts'

/** What a batch came to, for metrics. `queued` is who was waiting when it was done. */
export type BatchInfo = { readonly appends: number; readonly events: number; readonly ms: number; readonly queued: number }

/** Told what is being committed, so that a reader of the tail need not read again what this process has just written. */
export type CommitObserver = {
  readonly began: () => number
  /** Whether anybody follows events of this type and tenant; the others need not be made. */
  readonly wants: (type: string, tenantId: string) => boolean
  /** A block just committed, of the places that follow `before`; `undefined` for what nobody wants. `weight`: about how many bytes they all are. */
  readonly committed: (before: number, events: readonly (RecordedEvent | undefined)[], weight: number) => void
  readonly ended: (batch: number) => void
}

export type GroupCommitOptions = {
  readonly pool: Pool
  readonly lanes: number
  readonly queue: QueueLimits
  readonly now: () => Date | null
  readonly seal: AttachmentSeal
  readonly observer: CommitObserver
  readonly onBatch: (info: BatchInfo) => void
  /** A batch was given up after all its tries: its callers, and those who wait, were refused. */
  readonly onGivenUp?: ((error: unknown) => void) | undefined
}

type Lane = { client: PoolClient | undefined; busy: boolean; since: number }

const maxUnits = 256
const maxBytes = 1024 * 1024
/**
 * Below this it is not worth dividing what waits between the lanes: a commit costs PostgreSQL some 600 µs beside what each append costs. Sixteens, as many as
 * waited, took 1.4 times as much of it for 32 or 64 callers, and 1.2 times for webhooks on 256 connections (63 instead of 87 of them shared a commit).
 */
const minShare = 128
/** When the batch under way takes longer than this, another lane takes what waits, however little it is: that connection may be stuck. */
const slowMs = 100
/** How long an append may wait for a connection before its caller hears that there is none. */
const patienceMs = 4_000
const answerWithinMs = 4_000
const connectWithinMs = 2_000
const probeEveryMs = 500

/**
 * Group commit: callers queue, and a lane that comes free takes whoever waits into one commit. No timer: while one batch commits, the next one gathers.
 * Two lanes, so that one batch travels and is read while the other holds the store's lock: 27–29 k appends/s against 22–26 k with one (256 callers).
 *
 * UP → RECOVERING (a batch failed by its connection and is tried again) → UP, or DOWN after `patienceMs`. DOWN: appends are refused at once, a probe looks
 * for the server, the first answer means UP. CLOSED: appends are refused, what was accepted is still committed.
 *
 * Invariant: every accepted append is answered, and at most once stored. A batch whose connection broke may be stored or not: appends with an exact
 * version go again, with the same ids and version, so that the store recognises them; the others are told that nobody knows.
 */
export function createGroupCommit({ pool, lanes: laneCount, queue: limits, now, seal, observer, onBatch, onGivenUp }: GroupCommitOptions): {
  append: (append: Append) => Promise<AppendResult>
  close: () => Promise<void>
} {
  const lanes = Array.from({ length: laneCount }, (): Lane => ({ client: undefined, busy: false, since: 0 }))
  const stopping = new AbortController()
  let unitsInFlight = 0
  let scheduled = false
  let looking = false
  let down: Error | undefined
  let appendsPerSecond = 1_000
  let drained: (() => void) | undefined

  const queue = createAppendQueue(limits, () => Math.min(30, Math.max(1, Math.ceil(queue.size() / appendsPerSecond))))

  /** After the callers of this turn, so that those whose answers just came are in the next batch together. */
  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(dispatch)
  }

  function dispatch(): void {
    scheduled = false
    for (const lane of lanes) {
      if (lane.busy || queue.readySize() === 0) continue
      if (!worthALane()) {
        lookAgain()
        break
      }
      const share = Math.ceil((queue.readySize() + unitsInFlight) / laneCount)
      void work(lane, queue.take(Math.min(maxUnits, Math.max(minShare, share)), maxBytes))
    }
    if (drained !== undefined && lanes.every((lane) => !lane.busy) && queue.size() === 0) drained()
  }

  /** One lane takes whoever waits. Beside one that is under way, another only for a batch that is worth its commit, or when that one is slow. */
  function worthALane(): boolean {
    const busy = lanes.filter((lane) => lane.busy)
    if (busy.length === 0 || queue.readySize() >= minShare) return true
    return performance.now() - Math.min(...busy.map(({ since }) => since)) >= slowMs
  }

  function lookAgain(): void {
    if (looking) return
    looking = true
    setTimeout(() => {
      looking = false
      schedule()
    }, slowMs)
  }

  async function work(lane: Lane, units: Unit[]): Promise<void> {
    lane.busy = true
    lane.since = performance.now()
    unitsInFlight += units.length
    try {
      await commit(lane, units)
    } catch (error) {
      reject(units, error)
    } finally {
      lane.busy = false
      unitsInFlight -= units.length
      queue.done(units)
      schedule()
    }
  }

  async function commit(lane: Lane, batch: readonly Unit[]): Promise<void> {
    let units = batch
    const since = performance.now()
    for (let tries = 0; units.length > 0; tries++) {
      const began = performance.now()
      let sent = false
      let outcome: BatchOutcome | undefined
      const token = observer.began()
      try {
        const client = await connected(lane)
        sent = true
        outcome = await appendBatch(client, units, { now: now(), timeoutMs: answerWithinMs, seal })
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'refused') return await commitApart(lane, units, error)
        if (failure === 'connection') {
          drop(lane, error)
          if (sent) units = onlyRepeatable(units, error)
        }
        if (performance.now() - since > patienceMs || down !== undefined) return goDown(units, error)
      } finally {
        if (outcome !== undefined) settle(units, outcome)
        observer.ended(token)
      }
      if (outcome !== undefined) {
        down = undefined
        return tell(units, performance.now() - began)
      }
      await sleep(Math.min(500, 25 * 2 ** tries) * (0.5 + Math.random() / 2))
    }
  }

  /** The server refuses something in this batch for good: halve it until that append stands alone, its neighbours are stored. */
  async function commitApart(lane: Lane, units: readonly Unit[], error: unknown): Promise<void> {
    if (units.length < 2) return reject(units, error)
    const middle = Math.ceil(units.length / 2)
    await commit(lane, units.slice(0, middle))
    await commit(lane, units.slice(middle))
  }

  /** Nobody knows whether these were stored. Without an exact version a repeat cannot be told from a second wish. */
  function onlyRepeatable(units: readonly Unit[], error: unknown): readonly Unit[] {
    reject(
      units.filter((unit) => typeof unit.expected !== 'number'),
      unavailable(error),
    )
    return units.filter((unit) => typeof unit.expected === 'number')
  }

  function goDown(units: readonly Unit[], error: unknown): void {
    onGivenUp?.(error)
    const refusal = unavailable(error)
    reject(units, refusal)
    for (const waiting of queue.clear()) waiting.reject(refusal)
    if (down !== undefined) return
    down = refusal
    void probe()
  }

  async function probe(): Promise<void> {
    while (down !== undefined && !stopping.signal.aborted) {
      await sleep(probeEveryMs, undefined, { ref: false })
      try {
        const client = await connectWithin(pool, connectWithinMs)
        client.release()
        down = undefined
      } catch {
        // Still down.
      }
    }
  }

  async function connected(lane: Lane): Promise<PoolClient> {
    if (lane.client !== undefined) return lane.client
    const client = await connectWithin(pool, connectWithinMs)
    // A lane keeps its connection; when it breaks while idle, the next batch takes another.
    client.on('error', (error: Error) => {
      if (lane.client === client) drop(lane, error)
    })
    lane.client = client
    return client
  }

  function drop(lane: Lane, error: unknown): void {
    const { client } = lane
    lane.client = undefined
    client?.release(error instanceof Error ? error : true)
  }

  function settle(units: readonly Unit[], { recordedAt, units: decided }: BatchOutcome): void {
    const at = new Date(recordedAt)
    const committed: (RecordedEvent | undefined)[] = []
    let before: number | undefined
    let weight = 0
    for (const [index, unit] of units.entries()) {
      const outcome = decided[index]
      if (outcome === undefined) throw new Error('every append has an outcome')
      if (outcome.outcome !== 'appended') continue
      before ??= outcome.positionBefore
      record(unit, outcome, { at, committed, wants: observer.wants })
      weight += unit.weight
    }
    if (before !== undefined) observer.committed(before, committed, weight)
    // After the tail has them: who is answered may look there.
    for (const [index, unit] of units.entries()) answerCallers(unit, decided[index])
  }

  function tell(units: readonly Unit[], ms: number): void {
    let appends = 0
    let events = 0
    for (const unit of units) {
      appends += unit.callers.length
      events += unit.events
    }
    appendsPerSecond = 0.9 * appendsPerSecond + 0.1 * ((laneCount * appends * 1000) / Math.max(0.1, ms))
    onBatch({ appends, events, ms, queued: queue.size() })
  }

  return {
    append: (append) =>
      new Promise((resolve, refuse) => {
        if (stopping.signal.aborted) throw new StoreUnavailable('closed', 'the event store is closed')
        if (down !== undefined) throw down
        queue.push(prepare(append, resolve, refuse))
        schedule()
      }),
    async close() {
      stopping.abort()
      await new Promise<void>((resolve) => {
        drained = resolve
        schedule()
      })
      for (const lane of lanes) {
        lane.client?.release()
        lane.client = undefined
      }
    },
  }
}

type Settling = { readonly at: Date; readonly committed: (RecordedEvent | undefined)[]; readonly wants: CommitObserver['wants'] }

/** The events of one append as the log holds them now, as far as somebody wants to see them. */
function record(
  unit: Unit,
  { versionBefore, positionBefore }: Extract<UnitOutcome, { outcome: 'appended' }>,
  { at, committed, wants }: Settling,
): void {
  let version = versionBefore
  let position = positionBefore
  for (const { append } of unit.callers) {
    const { stream, events } = append
    for (const event of events) {
      version++
      position++
      const wanted = wants(event.type, stream.tenantId)
      committed.push(wanted ? { ...event, stream, version, position: positionOf(position), recordedAt: at } : undefined)
    }
  }
}

function answerCallers(unit: Unit, outcome: UnitOutcome | undefined): void {
  if (outcome === undefined) throw new Error('every append has an outcome')
  switch (outcome.outcome) {
    case 'appended': {
      let { versionBefore: version, positionBefore: position } = outcome
      for (const caller of unit.callers) {
        version += caller.append.events.length
        position += caller.append.events.length
        caller.resolve({ outcome: 'appended', version, position: positionOf(position) })
      }
      return
    }
    case 'duplicate':
    case 'conflict': {
      const result: AppendResult =
        outcome.outcome === 'conflict' ? outcome : { outcome: 'duplicate', version: outcome.version, position: positionOf(outcome.position) }
      for (const caller of unit.callers) caller.resolve(result)
      return
    }
    default:
      outcome satisfies never
  }
}

function reject(units: readonly Unit[], error: unknown): void {
  for (const unit of units) for (const caller of unit.callers) caller.reject(error)
}

const unavailable = (error: unknown): StoreUnavailable =>
  error instanceof StoreUnavailable
    ? error
    : new StoreUnavailable('connection', 'the event store cannot be reached', 2, error instanceof Error ? { cause: error } : {})

/** A connection, or an error soon: the pool's own patience is longer than a caller's. */
async function connectWithin(pool: Pool, ms: number): Promise<PoolClient> {
  const connecting = pool.connect()
  const given = new AbortController()
  const late = sleep(ms, undefined, { signal: given.signal }).then(() => Promise.reject(new Error(`no connection within ${ms} ms`)))
  try {
    return await Promise.race([connecting, late])
  } catch (error) {
    connecting.then((client) => client.release()).catch(() => undefined)
    throw error
  } finally {
    late.catch(() => undefined)
    given.abort()
  }
}
