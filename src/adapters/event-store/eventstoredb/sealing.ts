import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { Prepared } from '../prepared.ts'

/** An append with attachments needs its tenant's key (`bodies.ts` seals with it): hands it on when the key is there, at once in nearly every case. */
export type Keys = {
  /** In the order of the calls of each stream, also while a key is being fetched. */
  readonly ensured: (prepared: Prepared, hand: (prepared: Prepared) => void) => void
}

export function createKeys(seal: Pick<AttachmentSeal, 'ensure' | 'has'>): Keys {
  /** By stream: appends that wait for a key, and what came for the stream behind them. */
  const pending = new Map<string, Promise<void>>()

  function wait(prepared: Prepared, attaches: boolean, hand: (prepared: Prepared) => void): void {
    const { key, append } = prepared
    const turn = (pending.get(key) ?? Promise.resolve())
      .then(() => (attaches ? seal.ensure(append.stream.tenantId) : undefined))
      .then(() => hand(prepared))
      .catch((error: unknown) => prepared.reject(error))
      .finally(() => {
        if (pending.get(key) === turn) pending.delete(key)
      })
    pending.set(key, turn)
  }

  return {
    ensured(prepared, hand) {
      const attaches = prepared.append.events.some(({ attachment }) => attachment !== undefined)
      const ready = !pending.has(prepared.key) && (!attaches || seal.has(prepared.append.stream.tenantId))
      if (ready) hand(prepared)
      else wait(prepared, attaches, hand)
    },
  }
}
