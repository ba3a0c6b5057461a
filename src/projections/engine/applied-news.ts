import type { Pool } from 'pg'
import { parsePosition, type Position } from '../../domain/kernel/position.ts'
import { listen } from '../../postgres/listen.ts'
import type { Applied } from './live.ts'

/** Sooner would only be more statements: what a person or a feed waits for takes longer than that anyway. */
const gatherMs = 20

/**
 * How far the read models are, from the processes that write them to those that answer with them. The checkpoints in the database say it too, but are a second
 * late where nothing was to be written, and feeds wait for all of their read models: this makes some hundredths of a second of it.
 * News are a hint that may be lost; whoever waits still looks at the checkpoints.
 */
export function createAppliedNews({ pool, others }: { pool: Pool; /** Whether anybody else is there to hear it. */ others: () => boolean }): {
  readonly tell: (applied: Applied) => void
} {
  const untold = new Map<string, Position>()
  let gathering: NodeJS.Timeout | undefined

  function say(): void {
    gathering = undefined
    const news = JSON.stringify(Object.fromEntries(untold))
    untold.clear()
    pool.query({ name: 'applied_news', text: `select pg_notify('es_applied', $1)`, values: [news] }).catch(() => undefined)
  }
  return {
    tell({ projection, position }) {
      if (!others()) return
      untold.set(projection, position)
      gathering ??= setTimeout(say, gatherMs)
    },
  }
}

/** @param url of the database, for a connection that listens */
export function hearAppliedNews(url: string, { heard, signal }: { heard: (applied: Applied) => void; signal: AbortSignal }): void {
  void listen({
    url,
    channel: 'es_applied',
    signal,
    heard(payload) {
      for (const [projection, text] of Object.entries(newsOf(payload))) {
        const position = typeof text === 'string' ? parsePosition(text) : undefined
        if (position !== undefined) heard({ projection, position })
      }
    },
  })
}

function newsOf(payload: string): Readonly<Record<string, unknown>> {
  try {
    const news: unknown = JSON.parse(payload)
    return typeof news === 'object' && news !== null ? { ...news } : {}
  } catch {
    return {}
  }
}
