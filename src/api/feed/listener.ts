import type { WebSocket } from 'ws'
import type { Position } from '../../domain/kernel/position.ts'
import type { ServerNote } from './frames.ts'
import type { Hearing } from './hearing.ts'

/** One event, ready for any number of listeners: the frames that tell it to one of them, each made once. What belongs together is written together. */
export type Published = { readonly position: Position; readonly framesFor: (hearing: Hearing) => readonly Buffer[] }

/**
 * One connected client. States:
 *   holding → live ⇄ lagging, and closed from anywhere.
 * - holding: it is still being sent what it missed; what the hub publishes meanwhile waits here.
 * - live: what is published is written at once.
 * - lagging: the client does not read fast enough. Nothing is written or kept for it; when its buffer has drained it is told to resync and is live again.
 * Invariant: what it is sent is in log order and without a gap, except for what a resync announces.
 */
export type Listener = {
  readonly tenantId: string
  readonly hearing: Hearing
  /** Called by the hub, in log order. */
  readonly offer: (published: Published) => void
  /** Called by the resume: missed events, straight to the wire. */
  readonly send: (published: Published) => void
  readonly note: (note: ServerNote) => void
  /** Everything missed was sent: deliver what waited. */
  readonly release: () => void
  /** Resolves when the client has read enough for more to be sent; false when it is gone. */
  readonly drained: () => Promise<boolean>
  /** Its credential may have changed: look again. */
  readonly recheck: () => void
  readonly closed: () => boolean
}

/** Beyond this a reader is slow (the contract's 1 MiB); below `resumeBelow` it may have more. */
const slowBeyond = 1024 * 1024
const resumeBelow = 64 * 1024

export function createListener(
  socket: WebSocket,
  options: {
    tenantId: string
    hearing: Hearing
    published: () => Position
    recheck: () => void
    slowBeyond?: number
  },
): Listener {
  const { tenantId, hearing, published } = options
  const limit = options.slowBeyond ?? slowBeyond
  const low = Math.min(resumeBelow, limit / 2)
  let state: 'holding' | 'live' | 'lagging' = 'holding'
  let held: Published[] = []
  let heldBytes = 0
  let waiting: (() => void)[] = []

  const open = (): boolean => socket.readyState === socket.OPEN
  function write(bytes: Buffer | string): void {
    if (open()) socket.send(bytes, { binary: false }, flushed)
  }

  /** After each flush: whoever waits may go on, and a reader that lagged is told to resync once it has caught its breath. */
  function flushed(): void {
    if (socket.bufferedAmount > low) return
    for (const go of waiting.splice(0)) go()
    if (state === 'lagging' && open()) {
      state = 'live'
      note({ type: 'resync', position: published() })
    }
  }

  function lag(): void {
    state = 'lagging'
    held = []
    heldBytes = 0
  }

  const note = (frame: ServerNote): void => write(JSON.stringify(frame))

  function writeAll(frames: readonly Buffer[]): void {
    for (const bytes of frames) write(bytes)
  }

  function deliver(frames: readonly Buffer[]): void {
    if (socket.bufferedAmount > limit) lag()
    else writeAll(frames)
  }

  socket.once('close', () => {
    for (const go of waiting.splice(0)) go()
  })

  return {
    tenantId,
    hearing,
    note,
    offer(event) {
      if (state === 'lagging') return
      const frames = event.framesFor(hearing)
      if (frames.length === 0) return
      if (state === 'live') return deliver(frames)
      held.push(event)
      for (const bytes of frames) heldBytes += bytes.length
      if (heldBytes > limit) lag()
    },
    send(event) {
      if (state !== 'lagging') writeAll(event.framesFor(hearing))
    },
    release() {
      if (state === 'lagging') return flushed()
      state = 'live'
      const missed = held
      held = []
      for (const event of missed) writeAll(event.framesFor(hearing))
    },
    async drained() {
      if (open() && socket.bufferedAmount > low) {
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
        })
      }
      return open()
    },
    recheck: options.recheck,
    closed: () => !open(),
  }
}
