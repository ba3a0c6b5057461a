import type { ServerResponse } from 'node:http'

export type SimEvent = { readonly type: string; readonly [key: string]: unknown }

export type EventBus = {
  /** The data is made only when somebody listens: under load nobody does. */
  readonly publish: (type: string, data: () => Record<string, unknown>) => void
  /** Streams events as server-sent events until the client leaves. */
  readonly stream: (res: ServerResponse, wanted: (event: SimEvent) => boolean) => void
  readonly close: () => void
}

/** A listener this far behind is cut off; EventSource connects again and the page loads the chat anew. */
const maxBacklogBytes = 1024 * 1024
const heartbeatMs = 15_000

export function createEventBus(): EventBus {
  const listeners = new Map<ServerResponse, (event: SimEvent) => boolean>()
  const heartbeat = setInterval(() => {
    for (const res of listeners.keys()) res.write(': still here\n\n')
  }, heartbeatMs)
  heartbeat.unref()

  return {
    publish(type, data) {
      if (listeners.size === 0) return
      const event: SimEvent = { ...data(), type }
      const frame = `data: ${JSON.stringify(event)}\n\n`
      for (const [res, wanted] of listeners) {
        if (!wanted(event)) continue
        if (res.writableLength > maxBacklogBytes) res.destroy()
        else res.write(frame)
      }
    },
    stream(res, wanted) {
      res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
      res.write('retry: 1000\n\n')
      listeners.set(res, wanted)
      res.on('close', () => listeners.delete(res))
    },
    close() {
      clearInterval(heartbeat)
      for (const res of listeners.keys()) res.end()
      listeners.clear()
    },
  }
}
