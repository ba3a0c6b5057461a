import type { Socket } from 'node:net'

export type Direction = 'toServer' | 'toClient'

/** The condition of the cable, shared by all its connections and changed while they live. */
export type Line = {
  holes: Record<Direction, boolean>
  delayMs: number
  jitterMs: number
  bytesPerSecond: number
  /** When the narrow line has carried everything that was put on it so far. */
  freeAt: Record<Direction, number>
  readonly random: () => number
}

export type Link = {
  /** The line has changed: look again. */
  readonly wake: () => void
  /** Hands on nothing more. The sockets are left as they are. */
  readonly close: () => void
}

type Piece = { readonly what: Buffer | 'end' | 'reset'; readonly arrived: number; readonly jitter: number }

/** How much may be under way in one direction of one connection before its sender feels it, as in the buffers of a real path. */
const roomBytes = 1 << 20

/**
 * One direction of one connection. Ends and resets queue up behind the bytes before them and are held back by a hole like these: whoever disappears in a black
 * hole is not missed at the other side until it is healed.
 */
export function createLink({
  from,
  to,
  direction,
  line,
  onBytes,
}: {
  from: Socket
  to: Socket
  direction: Direction
  line: Line
  /** Sees every piece before it is handed on; 'cut' when the connection was torn instead. */
  onBytes: (bytes: Buffer) => 'cut' | void
}): Link {
  const queue: Piece[] = []
  let queued = 0
  let ended = false
  let closed = false
  let full = false
  let timer: NodeJS.Timeout | undefined

  const put = (what: Piece['what']): void => {
    if (closed) return
    queue.push({ what, arrived: performance.now(), jitter: line.random() })
    handOn()
  }
  const takeIn = (chunk: Buffer): void => {
    if (closed) return
    // On a narrow line a piece is what it carries in a tenth of a second, else a large one would come in a lump.
    const size = Math.max(1, Math.min(chunk.length, Math.ceil(Math.min(line.bytesPerSecond, 1e9) / 10)))
    queued += chunk.length
    if (queued > roomBytes) from.pause()
    for (let at = 0; at < chunk.length; at += size) put(chunk.subarray(at, at + size))
  }
  from.on('data', takeIn)
  from.on('end', () => {
    ended = true
    put('end')
  })
  from.on('error', () => undefined)
  from.on('close', () => put(ended && !from.errored ? 'end' : 'reset'))
  to.on('drain', () => {
    full = false
    handOn()
  })

  function handOn(): void {
    clearTimeout(timer)
    timer = undefined
    for (let next = passable(); next !== undefined; next = passable()) {
      const waitMs = due(next) - performance.now()
      if (waitMs > 0) {
        timer = setTimeout(handOn, waitMs)
        return
      }
      queue.shift()
      pass(next)
    }
  }

  const passable = (): Piece | undefined => (closed || full || line.holes[direction] ? undefined : queue[0])

  function due({ arrived, jitter, what }: Piece): number {
    const after = arrived + line.delayMs + jitter * line.jitterMs
    return typeof what === 'string' || !Number.isFinite(line.bytesPerSecond) ? after : Math.max(after, line.freeAt[direction])
  }

  function pass({ what }: Piece): void {
    if (what === 'end') return void to.end()
    if (what === 'reset') {
      close()
      return cutOff(to)
    }
    queued -= what.length
    if (from.isPaused() && queued <= roomBytes / 2) from.resume()
    if (Number.isFinite(line.bytesPerSecond))
      line.freeAt[direction] = Math.max(performance.now(), line.freeAt[direction]) + (what.length / line.bytesPerSecond) * 1_000
    if (to.destroyed || onBytes(what) === 'cut') return
    full = !to.write(what)
  }

  function close(): void {
    closed = true
    queue.length = 0
    clearTimeout(timer)
  }

  return { wake: handOn, close }
}

/** RST; a Unix socket knows none and is closed, which its other side takes for the same: an end in the middle of everything. */
export function cutOff(socket: Socket): void {
  try {
    socket.resetAndDestroy()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_HANDLE_TYPE')) throw error
    socket.destroy()
  }
}
