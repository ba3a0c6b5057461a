import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, startRecado, type RunningRecado } from '../support/processes.ts'

export type Role = 'api' | 'worker'

/** One place in an installation: a port and a role, and whatever process stands there at present. */
export type Place = {
  readonly name: string
  readonly role: Role
  readonly url: string
  /** kill -9, and the next one at once. */
  readonly kill: () => Promise<void>
  /** SIGTERM, waited for, and the next one. Says how long it took to stop. @throws when it did not end by itself with 0. */
  readonly restart: () => Promise<number>
  readonly stop: () => Promise<void>
  /** Everything that its processes said, in their order. */
  readonly said: () => readonly string[]
}

/** An api process answers as soon as it listens; whether others move the read models is not its own health. */
export async function startPlace(name: string, role: Role, env: Readonly<Record<string, string>>): Promise<Place> {
  const port = await freePort()
  const before: string[] = []
  const start = (): Promise<RunningRecado> => startRecado({ env: { ...env, RECADO_ROLES: role }, port, probe: '/healthz', readyWithinMs: 240_000 })
  let process = await start()
  const next = async (): Promise<void> => {
    before.push(...process.lines)
    process = await start()
  }
  return {
    name,
    role,
    url: process.url,
    async kill() {
      await process.kill()
      await next()
    },
    async restart() {
      const began = performance.now()
      const code = await process.stop()
      if (code !== 0) throw new Error(`${name} ended with ${code} on SIGTERM:\n${process.lines.slice(-20).join('\n')}`)
      const took = performance.now() - began
      await next()
      return took
    },
    stop: async () => void (await process.stop()),
    said: () => [...before, ...process.lines],
  }
}

export type Answered<T> = { readonly status: number; readonly body: T; readonly headers: Headers; readonly from: string }
type Wish = { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly at?: number }
/** `at`: which process to begin with. */
export type Ask = <T>(method: string, path: string, wish?: Wish) => Promise<Answered<T>>

/** Answers after which a client that has a second address, and time, tries again. */
const again = new Set([409, 429, 502, 503])

/**
 * What a proxy in front of several api processes does, or a client that knows their addresses: tries one, and when it is away or busy the next one, until it
 * is answered.
 */
export function createAsk(urls: readonly string[], key: string): Ask {
  let turn = 0

  async function tried(url: string, method: string, { body, headers = {} }: Wish): Promise<{ answer: Response; text: string } | undefined> {
    try {
      const answer = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        signal: AbortSignal.timeout(30_000),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { answer, text: await answer.text() }
    } catch {
      return undefined
    }
  }

  return async (method, path, wish = {}) => {
    const first = wish.at ?? turn++
    for (let tries = 0; tries < 2_000; tries++) {
      const from = urls[(first + tries) % urls.length] ?? ''
      const got = await tried(`${from}${path}`, method, wish)
      if (got === undefined || again.has(got.answer.status)) {
        await sleep(tries < 4 ? 5 : 50)
        continue
      }
      const { answer, text } = got
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as never, headers: answer.headers, from }
    }
    throw new Error(`${method} ${path}: nobody answers`)
  }
}
