import type { LogRecord } from './records.ts'
import type { Place } from './reading.ts'
import type { Source } from './sources.ts'

/** Where a subscription's messages go: the wire, whose window is full or not. */
export type Outlet = {
  event: (record: LogRecord) => void
  checkpoint: (place: Place) => void
  caughtUp: () => void
  fellBehind: () => void
  /** Whether the transport takes more now; `whenWritable` calls once when it does again. */
  writable: () => boolean
  whenWritable: (then: () => void) => void
  tooSlow: () => void
  deleted: (stream: string) => void
}

/** 32 in the subscription and 32 in its enumerator: what a 23.10 server keeps of live events beside the transport's window. */
const LIVE_BUFFER = 64
/** Scanned at a stretch before others get their turn. */
const STRETCH = 2000

/**
 * CATCHING_UP (draws from the log as fast as the consumer takes, drops nothing) → LIVE (everything committed is handed over at once; what the
 * transport does not take waits among LIVE_BUFFER) → DROPPED (the buffer ran over: what is in it is still delivered, then the subscription ends).
 * With `fallsBehind`, as newer servers do, LIVE → CATCHING_UP instead. Invariant: delivered in the log's order, none left out before the end.
 */
export function createSubscription(source: Source, outlet: Outlet, { fallsBehind }: { fallsBehind: boolean }) {
  let state: 'catching-up' | 'live' | 'dropped' | 'over' = 'catching-up'
  const buffer: (() => void)[] = []
  let scannedSinceCheckpoint = 0
  let waiting = false
  let scheduled = false

  const deliver = (scanned: { record: LogRecord; matches: boolean }): (() => void)[] => {
    const { record, matches } = scanned
    const said: (() => void)[] = []
    if (matches) said.push(() => outlet.event(record))
    scannedSinceCheckpoint += 1
    if (source.checkpointEvery !== undefined && scannedSinceCheckpoint >= source.checkpointEvery) {
      scannedSinceCheckpoint = 0
      // Between two matching events a catching-up server names where the next record begins, with prepare 0.
      const place = matches || state === 'live' ? { commit: record.position, prepare: record.position } : { commit: record.end, prepare: 0 }
      said.push(() => outlet.checkpoint(place))
    }
    if (source.isLast?.(record)) {
      said.push(() => {
        state = 'over'
        outlet.deleted(record.stream)
      })
    }
    return said
  }

  const later = (): void => {
    if (waiting) return
    waiting = true
    outlet.whenWritable(() => {
      waiting = false
      drain()
    })
  }
  const drain = (): void => {
    while (buffer.length > 0 && outlet.writable()) buffer.shift()?.()
    if (buffer.length > 0) return later()
    if (state === 'dropped') {
      state = 'over'
      outlet.tooSlow()
    } else if (state === 'catching-up') catchUp()
    else if (state === 'live') goLive()
  }
  const rest = (): void => {
    scheduled = true
    setImmediate(() => {
      scheduled = false
      catchUp()
    })
  }
  const catchUp = (): void => {
    for (let scanned = 0; state === 'catching-up'; scanned += 1) {
      if (!outlet.writable()) return later()
      if (scanned >= STRETCH) return rest()
      const next = source.next()
      if (!next) {
        if (!source.exists()) return
        state = 'live'
        return outlet.caughtUp()
      }
      for (const say of deliver(next)) say()
    }
  }
  const goLive = (): void => {
    while (state === 'live') {
      if (buffer.length >= LIVE_BUFFER && fallsBehind) {
        state = 'catching-up'
        buffer.push(outlet.fellBehind)
        return later()
      }
      const next = source.next()
      if (!next) return
      for (const say of deliver(next)) {
        if (buffer.length === 0 && outlet.writable()) say()
        else if (buffer.length < LIVE_BUFFER || fallsBehind) buffer.push(say)
        else {
          state = 'dropped'
          break
        }
      }
      if (buffer.length > 0 || state === 'dropped') later()
    }
  }

  return {
    start: catchUp,
    /** Something was committed. */
    wake(): void {
      if (state === 'live') goLive()
      else if (state === 'catching-up' && !waiting && !scheduled && buffer.length === 0) catchUp()
    },
    /** Ends it as an overflow does, whatever it holds. */
    overflow(): void {
      if (state === 'over') return
      state = 'dropped'
      buffer.length = 0
      drain()
    },
    stop(): void {
      state = 'over'
      buffer.length = 0
    },
  }
}
export type Subscription = ReturnType<typeof createSubscription>
