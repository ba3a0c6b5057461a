import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Clock } from '../../domain/kernel/clock.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { Inbox } from '../conversations/inbox.ts'

export type Waker = {
  readonly inbox: Pick<Inbox, 'wake'>
  /** Conversations whose snooze is over, as far as the read model knows: a hint, the conversation itself decides. */
  readonly due: (now: Date) => Promise<readonly { tenantId: string; conversationId: string }[]>
  readonly clock: Clock
  readonly log: Pick<Logger, 'warn'>
  readonly signal: AbortSignal
  readonly everyMs?: number
}

/** Ends snoozes whose moment has come. Needs no lease: of two wakers one finds the conversation awake, and nothing happens twice. */
export async function runWaker({ inbox, due, clock, log, signal, everyMs = 5_000 }: Waker): Promise<void> {
  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    try {
      const now = clock()
      for (const { tenantId, conversationId } of await due(now)) {
        const commandId = derivedId('wake', conversationId, now.toISOString())
        await inbox.wake(
          { conversationId },
          { tenantId, actor: { kind: 'process', id: 'waker' }, commandId, correlationId: commandId, causationId: commandId, at: now },
        )
      }
    } catch (error) {
      log.warn({ err: error }, 'snoozes could not be looked through; trying again')
    }
  }
}
