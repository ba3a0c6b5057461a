import { EventStoreDBClient, type Credentials } from '@eventstore/db-client'
import { createNaming, logOf, type Naming } from './naming.ts'

/**
 * The one client of the process, and its successor when it does not come back to life.
 *
 * WORKING → FAILING (something failed, since then nothing worked) → WORKING, or after `patienceMs` a new client takes over and the old one is thrown away.
 * The client itself reconnects after most failures, but its channel waits up to two minutes between attempts once it has failed for a while, and one whose
 * packets are swallowed needs 20 s of keepalive to notice.
 */
export type Connection = {
  readonly client: () => EventStoreDBClient
  /** Of the log that the address names. */
  readonly naming: Naming
  /** Handed to every single call: without them the client would append by its batch path, which knows no deadline and takes other clients down with it. */
  readonly credentials: Credentials
  /** Aborted when the present client is thrown away: what it follows ends without a word (the client swallows its own cancellations). */
  readonly life: () => AbortSignal
  readonly worked: () => void
  readonly failed: () => void
  readonly close: () => Promise<void>
}

const patienceMs = 4_000

export function createConnection({ url: given, onRecycle = () => undefined }: { url: string; onRecycle?: () => void }): Connection {
  const { url, name } = logOf(given)
  let made = 0
  let current = make()
  let failingSince: number | undefined
  let closed = false

  function make(): { client: EventStoreDBClient; life: AbortController; born: number } {
    return { client: EventStoreDBClient.connectionString(nthUrl(url, made++)), life: new AbortController(), born: performance.now() }
  }

  function recycle(): void {
    const old = current
    current = make()
    failingSince = undefined
    onRecycle()
    void throwAway(old)
  }

  return {
    client: () => current.client,
    naming: createNaming(name),
    credentials: credentialsOf(url),
    life: () => current.life.signal,
    worked() {
      failingSince = undefined
    },
    failed() {
      const now = performance.now()
      failingSince ??= now
      if (!closed && now - failingSince > patienceMs && now - current.born > patienceMs) recycle()
    },
    async close() {
      closed = true
      await throwAway(current)
    },
  }
}

async function throwAway({ client, life }: { client: EventStoreDBClient; life: AbortController }): Promise<void> {
  life.abort()
  // `dispose` cancels the calls and leaves the channel open, with its timers and its socket; the channel itself is nothing that the client hands out.
  const channelOf = Reflect.get(client, 'getChannel') as undefined | (() => Promise<{ close: () => void }>)
  await Promise.race([client.dispose(), new Promise((resolve) => setTimeout(resolve, 1_000).unref())]).catch(() => undefined)
  await channelOf?.().then(
    (channel) => channel.close(),
    () => undefined,
  )
}

const keepAliveInterval = /([?&]keepAliveInterval=)(\d+)/i

/**
 * gRPC shares connections, and how long they wait before they try again, between channels with the same options: only one with other options is really new.
 * The number of the client is hidden in its keepalive interval.
 */
export function nthUrl(url: string, nth: number): string {
  if (keepAliveInterval.test(url)) return url.replace(keepAliveInterval, (_, key: string, ms: string) => `${key}${Number(ms) + nth}`)
  return `${url}${url.includes('?') ? '&' : '?'}keepAliveInterval=${10_000 + nth}`
}

/** Without encryption the server asks for none, and the client sends none; any will do. */
export function credentialsOf(url: string): Credentials {
  const [, user, password] = /^[^:]+:\/\/([^:@/]+):([^@/]+)@/.exec(url) ?? []
  return user === undefined || password === undefined
    ? { username: 'recado', password: 'recado' }
    : { username: decodeURIComponent(user), password: decodeURIComponent(password) }
}
