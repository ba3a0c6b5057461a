import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import type { Connection } from './connection.ts'
import { AccessDenied, AppendTooLarge, failureOf } from './failure.ts'
import type { Physical } from './physical.ts'

/** What the server said of itself. `maxAppendBytes`: exactly, or what was asked for when it takes that much. */
export type ServerFacts = { readonly version: string; readonly maxAppendBytes: number }

export type CheckLog = {
  readonly info: (text: string) => void
  readonly warn: (text: string) => void
  /** What could be set better; a warning unless said otherwise. */
  readonly hint?: (text: string) => void
}

const oldest = { major: 23, minor: 10 }
/** A delivery may be 3 MiB; this is what the compose file sets. */
const wantedAppendBytes = 8 * 1024 * 1024
const patienceMs = 120_000
const retryMs = 500
const answerMs = 5_000

/**
 * Waits until the server takes calls, and says what has to be set where it does not fit.
 * @throws Error with what to do, for a server that is too old, refuses the credentials or does not come up in two minutes
 */
export async function checkServer({
  connection,
  physical,
  log,
  signal,
}: {
  connection: Connection
  physical: Physical
  log: CheckLog
  signal?: AbortSignal
}): Promise<ServerFacts> {
  const version = await reachable(() => versionOf(connection), { log, signal })
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < oldest.major || (major === oldest.major && minor < oldest.minor)) {
    throw new Error(
      `EventStoreDB ${version} is too old: Recado needs 23.10 or newer, whose subscriptions say when they have caught up. Upgrade the server, then start again.`,
    )
  }
  const maxAppendBytes = await reachable(() => appendLimit(connection), { log, signal })
  physical.limits.maxAppendBytes = maxAppendBytes
  if (maxAppendBytes < wantedAppendBytes) {
    const hint = log.hint ?? log.warn
    hint(
      `EventStoreDB takes ${maxAppendBytes} bytes in one append: larger deliveries are split. Set EVENTSTORE_MAX_APPEND_SIZE=${wantedAppendBytes} on every node for fewer and larger appends.`,
    )
  }
  return { version, maxAppendBytes }
}

async function versionOf(connection: Connection): Promise<string> {
  const features = Reflect.get(connection.client(), 'capabilities') as Promise<{ serverVersion: string }>
  return (await within(features)).serverVersion
}

/**
 * A large append to a stream that is expected to be where it never was. The server measures before it looks at the stream, so the answer is the limit, or, when
 * it takes this much, the conflict; nothing is ever written.
 */
async function appendLimit(connection: Connection): Promise<number> {
  const event = {
    id: randomUUID(),
    contentType: 'application/octet-stream' as const,
    type: 'AppendLimitProbe',
    data: new Uint8Array(wantedAppendBytes),
    metadata: undefined,
  }
  try {
    await within(
      connection.client().appendToStream(`recado.probe-${event.id}`, event, {
        credentials: connection.credentials,
        requiresLeader: true,
        expectedRevision: 9_999n,
        deadline: answerMs,
      }),
    )
  } catch (error) {
    const failure = failureOf(error)
    if (failure.kind === 'conflict') return wantedAppendBytes
    if (failure.kind === 'too-large') return Math.min(failure.limit, wantedAppendBytes)
    throw error
  }
  throw new Error('the event store wrote to a stream at a revision that it cannot have')
}

async function reachable<T>(ask: () => Promise<T>, { log, signal }: { log: CheckLog; signal: AbortSignal | undefined }): Promise<T> {
  const until = performance.now() + patienceMs
  let said = ''
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const failure = failureOf(error)
      if (failure.kind === 'denied') throw new AccessDenied(error)
      if (failure.kind !== 'again' || error instanceof AppendTooLarge) throw error
      if (signal?.aborted === true) throw new StoreUnavailable('closed', 'the start was given up', 2, { cause: error })
      if (performance.now() > until)
        throw new Error(`EventStoreDB did not come up: ${reasonOf(error)}. Look at EVENTSTOREDB_URL and at the server's own log.`, { cause: error })
      const why = reasonOf(error)
      if (why !== said) log.warn(`EventStoreDB does not take calls yet: ${(said = why)}; trying again`)
      await sleep(retryMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
    }
  }
}

function reasonOf(error: unknown): string {
  const { type, message = '', leader } = error as { type?: string; message?: string; leader?: { address: string; port: number } }
  if (type === 'not-leader') {
    return `the node asked is not the leader${leader === undefined ? '' : ` (that is ${leader.address}:${leader.port})`}; name all nodes in EVENTSTOREDB_URL, or the cluster by esdb+discover://, so that the leader is found`
  }
  if (message.includes('Server Is Not Ready')) return 'it is starting (Server Is Not Ready)'
  return message === '' ? 'no answer' : message
}

async function within<T>(work: Promise<T>): Promise<T> {
  const given = new AbortController()
  const late = sleep(answerMs + 500, undefined, { signal: given.signal }).then(() => {
    throw Object.assign(new Error('no answer'), { code: 4 })
  })
  late.catch(() => undefined)
  work.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    given.abort()
  }
}
