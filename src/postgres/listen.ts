import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

const reconnectMs = { least: 100, most: 5_000 }

/**
 * Hears what is notified on a channel, on a connection of its own, until `signal`. A connection that listens can die without a word: nothing may depend on
 * a notification, whoever listens looks for himself now and then.
 * The connection must not go through a pooler in transaction mode, which drops LISTEN.
 */
export async function listen({
  url,
  channel,
  heard,
  signal,
}: {
  url: string
  /** Stands in the statement as it is: a plain name. */
  channel: 'es_log' | 'es_topics' | 'es_applied'
  heard: (payload: string) => void
  signal: AbortSignal
}): Promise<void> {
  let wait = reconnectMs.least
  while (!signal.aborted) {
    const client = new Client({ connectionString: url, application_name: 'recado listen', keepAlive: true, connectionTimeoutMillis: 5_000 })
    const ended = new AbortController()
    const end = (): void => ended.abort()
    client.on('error', end)
    client.on('end', end)
    try {
      await client.connect()
      client.on('notification', ({ payload = '' }) => heard(payload))
      await client.query(`listen ${channel}`)
      wait = reconnectMs.least
      await aborted(AbortSignal.any([signal, ended.signal]))
    } catch {
      // Whoever listens looks for himself meanwhile; this tries again.
    }
    await client.end().catch(() => undefined)
    if (signal.aborted) return
    await sleep(wait * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined)
    wait = Math.min(reconnectMs.most, wait * 2)
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
