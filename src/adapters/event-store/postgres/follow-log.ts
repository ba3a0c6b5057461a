import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '../../../postgres/listen.ts'

export type FollowOptions = {
  readonly listenUrl: string
  readonly readHead: () => Promise<number>
  /** The log reaches at least to this position. */
  readonly heard: (position: number) => void
  readonly signal: AbortSignal
}

const pollMs = 1_000

/**
 * Hears of commits, ours and those of other processes: by NOTIFY on a connection of its own, and by looking once a second.
 * Nothing depends on a notification: what one does not bring, the poll does.
 */
export function followLog({ listenUrl: url, readHead, heard, signal }: FollowOptions): void {
  const said = (payload: string): void => {
    const position = Number(payload)
    if (Number.isSafeInteger(position)) heard(position)
  }
  void listen({ url, channel: 'es_log', heard: said, signal })
  void poll(readHead, heard, signal)
}

async function poll(readHead: () => Promise<number>, heard: (position: number) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(pollMs, undefined, { signal, ref: false }).catch(() => undefined)
    if (signal.aborted) return
    await readHead().then(heard, () => undefined)
  }
}
