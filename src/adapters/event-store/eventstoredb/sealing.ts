import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { SealBroken } from '../../../domain/kernel/vault.ts'
import type { Prepared } from '../prepared.ts'

/** Attachments are sealed before anything of them leaves the process, each by itself: an event's bytes stand where nobody knows its neighbours. */
export type Sealing = {
  /** Hands the append on with its attachments sealed; in the order of the calls of each stream, also while a tenant's key is being fetched. */
  readonly sealed: (prepared: Prepared, hand: (prepared: Prepared) => void) => void
  readonly opened: (events: readonly RecordedEvent[]) => Promise<readonly RecordedEvent[]>
}

export function createSealing(seal: AttachmentSeal): Sealing {
  /** By stream: appends that wait for a key, and what came for the stream behind them. */
  const pending = new Map<string, Promise<void>>()

  function sealNow(prepared: Prepared): Prepared {
    const { stream, events } = prepared.append
    const own = events.map((event) =>
      event.attachment === undefined ? event : { ...event, attachment: seal.seal(stream.tenantId, [{ eventId: event.id, bytes: event.attachment }]) },
    )
    return { ...prepared, append: { ...prepared.append, events: own } }
  }

  function wait(prepared: Prepared, hand: (prepared: Prepared) => void): void {
    const { key, append } = prepared
    const turn = (pending.get(key) ?? Promise.resolve())
      .then(() => seal.ensure(append.stream.tenantId))
      .then(
        () => hand(sealNow(prepared)),
        (error: unknown) => prepared.reject(error),
      )
      .finally(() => {
        if (pending.get(key) === turn) pending.delete(key)
      })
    pending.set(key, turn)
  }

  return {
    sealed(prepared, hand) {
      const attaches = prepared.append.events.some(({ attachment }) => attachment !== undefined)
      if (!attaches && !pending.has(prepared.key)) hand(prepared)
      else if (attaches && seal.has(prepared.append.stream.tenantId) && !pending.has(prepared.key)) hand(sealNow(prepared))
      else if (attaches) wait(prepared, hand)
      else void pending.get(prepared.key)?.then(() => hand(prepared))
    },
    opened: (events) =>
      Promise.all(
        events.map(async (event) => {
          if (event.attachment === undefined) return event
          const { attachment: sealed, ...rest } = event
          try {
            const opened = await seal.open(event.stream.tenantId, sealed)
            const attachment = opened === 'erased' ? undefined : opened.get(event.id)
            return attachment === undefined ? rest : { ...rest, attachment }
          } catch (error) {
            // One body that somebody has changed must not hide its neighbours.
            if (error instanceof SealBroken) return { ...rest, unreadable: error.message }
            throw error
          }
        }),
      ),
  }
}
