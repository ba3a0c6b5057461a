/** `next` resolves with the next `ring`, and when the signal says stop: asked for before one looks, nothing that happens meanwhile is missed. */
export type Bell = { readonly ring: () => void; readonly next: () => Promise<void>; readonly silence: () => void }

/** To be silenced in the end: a signal outlives many of those who listen to it. */
export function createBell(signal: AbortSignal): Bell {
  let { promise, resolve } = Promise.withResolvers<void>()
  const onAbort = (): void => resolve()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) resolve()
  return {
    ring() {
      resolve()
      if (!signal.aborted) ({ promise, resolve } = Promise.withResolvers<void>())
    },
    next: async () => promise,
    silence: () => signal.removeEventListener('abort', onAbort),
  }
}
