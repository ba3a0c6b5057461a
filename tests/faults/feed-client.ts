import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

type Frame = {
  readonly type: string
  readonly id?: string
  readonly position: string
  readonly data?: { readonly id?: string; readonly message?: { readonly id: string } }
}

export type FeedClient = {
  /** Frames with an id, in the order of arrival, each id as often as it came. */
  readonly frames: () => readonly Frame[]
  readonly resyncs: () => number
  readonly reconnects: () => number
  readonly position: () => string
  readonly close: () => Promise<void>
}

/**
 * A client of the live feed as the documentation describes it: it keeps the last position it saw and comes back with it whatever happens, at the next of its
 * addresses. A restless one leaves by itself after so many milliseconds, whatever it is in the middle of.
 */
export function followFeed(urls: readonly string[], token: string, { restlessMs }: { restlessMs?: number } = {}): FeedClient {
  const frames: Frame[] = []
  const ended = new AbortController()
  let position = ''
  let resyncs = 0
  let connections = 0
  let turn = 0

  async function connection(): Promise<void> {
    const url = urls[turn++ % urls.length] ?? ''
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/feed`)
    await new Promise<void>((resolve) => {
      socket.on('open', () => {
        connections++
        if (restlessMs !== undefined) setTimeout(() => socket.terminate(), restlessMs)
        socket.send(JSON.stringify({ type: 'auth', token, ...(position === '' ? {} : { after: position }) }))
      })
      socket.on('message', (data) => {
        const frame = JSON.parse((data as Buffer).toString()) as Frame
        if (frame.type === 'resync') resyncs++
        if (frame.id !== undefined) frames.push(frame)
        if (typeof frame.position === 'string') position = frame.position
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      ended.signal.addEventListener('abort', () => socket.close(), { once: true })
    })
  }
  const following = (async () => {
    while (!ended.signal.aborted) {
      await connection()
      await sleep(50, undefined, { signal: ended.signal }).catch(() => undefined)
    }
  })()

  return {
    frames: () => frames,
    resyncs: () => resyncs,
    reconnects: () => Math.max(0, connections - 1),
    position: () => position,
    async close() {
      ended.abort()
      await following
    },
  }
}
