import type { StreamingRead } from '@eventstore/db-client'

/** Nothing at all for this long, in the middle of a read: the server or the way to it is gone. The client has no deadline for reads. */
const silenceMs = 4_000

/**
 * Takes what a read brings, until `take` has had enough, the read ends or it falls silent.
 * The permanent listener for errors is not decoration: a read that fails while it is being given up says so a second time, which would end the process.
 */
export function drain<T>(
  open: () => StreamingRead<T>,
  take: (one: T) => boolean,
  { signal, quietMs = silenceMs }: { signal?: AbortSignal; quietMs?: number } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = open()
    let settled = false
    let timer = setTimeout(onSilence, quietMs)
    const onAbort = (): void => settle(new Error('the read was given up'))
    function settle(error?: Error): void {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      // Cancelled and left to run dry: destroyed, it would never come to its end, and the client keeps whatever has not ended in a list.
      cancel(stream)
      if (error === undefined) resolve()
      else reject(error)
    }
    function onSilence(): void {
      settle(Object.assign(new Error(`the event store said nothing for ${quietMs} ms`), { code: 4 }))
    }
    stream.on('error', settle)
    stream.on('end', () => settle())
    stream.on('close', () => settle())
    stream.on('data', (one) => {
      if (settled) return
      clearTimeout(timer)
      timer = setTimeout(onSilence, quietMs)
      if (!take(one)) settle()
    })
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** A call that never began has nothing to cancel, and says so. */
function cancel(stream: { cancel: () => Promise<void> }): void {
  stream.cancel().catch(() => undefined)
}
