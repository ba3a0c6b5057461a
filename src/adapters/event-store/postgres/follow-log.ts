import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

export type FollowOptions = {
  readonly listenUrl: string
  readonly readHead: () => Promise<number>
  /** The log reaches at least to this position. */
  readonly heard: (position: number) => void
  readonly signal: AbortSignal
}

const pollMs = 1_000
const reconnectMs = { least: 100, most: 5_000 }

/**
 * Hears of commits, ours and those of other processes: by NOTIFY on a connection of its own, and by looking once a second, because a connection that listens
 * can die without a word. Nothing depends on a notification: what one does not bring, the poll does.
 * The connection must not go through a pooler in transaction mode, which drops LISTEN.
 */
export function followLog({ listenUrl, readHead, heard, signal }: FollowOptions): void {
  void listen(listenUrl, heard, signal)
  void poll(readHead, heard, signal)
}

async function listen(url: string, heard: (position: number) => void, signal: AbortSignal): Promise<void> {
  let wait = reconnectMs.least
  while (!signal.aborted) {
    const client = new Client({ connectionString: url, application_name: 'recado listen', keepAlive: true, connectionTimeoutMillis: 5_000 })
    const ended = new AbortController()
    const end = (): void => ended.abort()
    client.on('error', end)
    client.on('end', end)
    try {
      await client.connect()
      client.on('notification', ({ payload }) => {
        const position = Number(payload)
        if (Number.isSafeInteger(position)) heard(position)
      })
      await client.query('listen es_log')
      wait = reconnectMs.least
      await aborted(AbortSignal.any([signal, ended.signal]))
    } catch {
      // The poll goes on; this tries again.
    }
    await client.end().catch(() => undefined)
    if (signal.aborted) return
    await sleep(wait * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined)
    wait = Math.min(reconnectMs.most, wait * 2)
  }
}

async function poll(readHead: () => Promise<number>, heard: (position: number) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(pollMs, undefined, { signal, ref: false }).catch(() => undefined)
    if (signal.aborted) return
    await readHead().then(heard, () => undefined)
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
