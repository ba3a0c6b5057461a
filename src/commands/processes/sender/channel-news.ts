import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EventType } from '../../../domain/catalogue.ts'
import type { ChannelEvent } from '../../../domain/channel/events.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import type { ChannelRef } from './outbox-table.ts'

const types = ['ChannelConnected', 'ChannelCredentialsChanged', 'ChannelCheckFailed'] as const satisfies readonly EventType[]
type Heard = Extract<ChannelEvent, { type: (typeof types)[number] }>

/**
 * What every sender hears of channels, whichever process recorded it: that one may send again, and that reports told of trouble of its account.
 * From now on and without a lease: it is about channels that are held at this moment, and what was before is in their streams.
 */
export async function followChannelNews({
  store,
  signal,
  log,
  onConnected,
  onReported,
}: {
  store: Pick<EventStore, 'head' | 'subscribe'>
  signal: AbortSignal
  log: Pick<Logger, 'warn'>
  onConnected: (channel: ChannelRef) => void
  onReported: (channel: ChannelRef, code: string) => void
}): Promise<void> {
  let after: Position | undefined
  while (!signal.aborted) {
    try {
      after ??= (await store.head()).position
      for await (const page of store.subscribe({ after, filter: { types }, signal })) {
        if (page.kind === 'page') page.events.forEach(tell)
        after = page.through
      }
    } catch (error) {
      log.warn({ err: error }, 'the sender lost the log of channels and follows it again')
    }
    await sleep(500, undefined, { signal }).catch(() => undefined)
  }

  function tell(recorded: RecordedEvent): void {
    const event = fromStored<Heard>(recorded)
    const channel = { tenantId: recorded.stream.tenantId, channelId: recorded.stream.id }
    if (event.type !== 'ChannelCheckFailed') onConnected(channel)
    else if (event.reported === true) onReported(channel, event.error.code)
  }
}
