import type { Pool } from 'pg'
import { listen } from '../../postgres/listen.ts'
import { pause } from '../../postgres/pause.ts'
import { heardWatermark, readWatermark, type Watermark } from './watermark.ts'

/** The present watermark of one topic, and word of each later one. One connection and one poll for all followers of the process, none without one. */
export type Watermarks = {
  /** The listener is told at once what is known, and later whatever is new, until the returned function is called. */
  readonly follow: (listener: (watermark: Watermark) => void) => () => void
}

const pollMs = 1_000

export function createWatermarks({ topic, pool, listenUrl }: { topic: string; pool: Pool; listenUrl: string }): Watermarks {
  const listeners = new Set<(watermark: Watermark) => void>()
  let latest: Watermark | undefined
  let stop: AbortController | undefined

  function told(watermark: Watermark): void {
    if (latest !== undefined && watermark.through <= latest.through) return
    latest = watermark
    for (const listener of listeners) listener(watermark)
  }

  async function poll(signal: AbortSignal): Promise<void> {
    do {
      // An outage is waited out: those who follow cannot write either.
      const watermark = await readWatermark(pool, topic).catch(() => undefined)
      if (watermark !== undefined && !signal.aborted) told(watermark)
    } while (await pause(pollMs, signal))
  }

  function begin(): AbortController {
    const begun = new AbortController()
    const heard = (payload: string): void => {
      const watermark = heardWatermark(payload)
      if (watermark?.topic === topic && !begun.signal.aborted) told(watermark)
    }
    void listen({ url: listenUrl, channel: 'es_topics', heard, signal: begun.signal })
    void poll(begun.signal)
    return begun
  }

  return {
    follow(listener) {
      listeners.add(listener)
      stop ??= begin()
      if (latest !== undefined) listener(latest)
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        stop?.abort()
        stop = undefined
        latest = undefined
      }
    },
  }
}
