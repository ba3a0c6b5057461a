import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { checkpointStatement, holdLease, isLeaseLost, type Lease } from '../../../postgres/lease.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import { saysStop, type StopMarketing } from '../../contacts/stop-marketing.ts'
import { recordParked } from '../../deliveries/record-trouble.ts'
import { atMost } from '../../kernel/at-most.ts'
import { workLine } from '../../../postgres/work-line.ts'
import type { HandleDeliveries } from './handle-deliveries.ts'
import type { HistoryDeliveries } from './history-deliveries.ts'
import type { IntakeMemory, OutgoingMessage, Remembered } from './memory.ts'
import type { UnparkDeliveries } from './unpark-deliveries.ts'

export const intakeSubscription = 'intake'

/** What of the log the intake works with. */
export const intakeTypes = ['WebhookReceived', 'MessageQueued', 'SendAccepted', 'SendFailed', 'MessageRecorded', 'ChannelAdded'] as const
const leaseMs = 10_000
/** Deliveries of one page; more would only lengthen the wait of the first one in it. */
const pageSize = 1_000
/** Most pages leave nothing to remember: nobody waits for their checkpoint, and this is how long it may be behind. */
const saveAfterMs = 250

export type Intake = {
  store: EventStore
  pool: Pool
  memory: IntakeMemory
  handle: HandleDeliveries
  unpark: UnparkDeliveries
  history: HistoryDeliveries
  stopMarketing: StopMarketing
  owner: string
  log: Logger
}

/**
 * Raw deliveries → commands, exactly once in effect.
 *
 * WAITING (another process has the lease) → READING → APPLYING a page → back to READING; DISTURBED (store or database away) → the same page again.
 * Invariant: the checkpoint moves after every command of the page is durable, and what is to be remembered of a page is written in the transaction that
 * moves it. A crash in between repeats the pages since, and commands that repeat themselves change nothing.
 * One subscription sees deliveries, queued and accepted messages and new channels in the order of the log, so "the status came before its message" and
 * "the delivery came before its number" are told apart by position and not by luck.
 */
export async function runIntake(
  intake: Intake,
  { signal, onApplied }: { signal: AbortSignal; onApplied?: (position: Position) => void },
): Promise<void> {
  const { pool, owner, log } = intake
  await holdLease(
    {
      pool,
      name: intakeSubscription,
      owner,
      ttlMs: leaseMs,
      signal,
      onChange: (change, error) => log.debug({ change, err: error }, 'intake lease'),
    },
    async (lease, held) => {
      const over = new AbortController()
      const signal = AbortSignal.any([held, over.signal])
      let at = lease.position
      const beside = [intake.unpark.run({ signal, intakeAt: () => at }), intake.history.run(signal)]
      try {
        await follow(intake, lease, held, (position) => {
          at = position
          onApplied?.(position)
        })
      } catch (error) {
        if (isLeaseLost(error)) throw error
        if (held.aborted) return
        // Whatever it was, the log still has the page: begin again from the checkpoint.
        log.error({ err: error }, 'intake disturbed, starting again from its checkpoint')
        await new Promise((resolve) => setTimeout(resolve, 500))
      } finally {
        over.abort()
        await Promise.all(beside)
      }
    },
  )
}

async function follow(
  { store, pool, memory, handle, unpark, history, stopMarketing }: Intake,
  lease: Lease,
  signal: AbortSignal,
  onApplied: (position: Position) => void,
): Promise<void> {
  let reached = lease.position
  let saved = lease.position
  const failed = new AbortController()
  const line = workLine((error) => failed.abort(error))
  const save = async (): Promise<void> => {
    const to = reached
    if (to <= saved) return
    await pool.query(checkpointStatement({ ...lease, from: saved, to }))
    saved = to
  }
  const saving = setInterval(() => line.add(save), saveAfterMs)

  try {
    const pages = store.subscribe({
      after: reached,
      filter: { types: intakeTypes },
      signal: AbortSignal.any([signal, failed.signal]),
      pageSize,
      attachments: true,
    })
    for await (const delivery of pages) {
      if (delivery.kind === 'caught-up') {
        reached = delivery.through
        onApplied(reached)
        continue
      }
      const { remembered, postponed } = await applyPage(delivery.events, { memory, handle, store, stopMarketing })
      const { through } = delivery
      if (isEmpty(remembered) && postponed.length === 0) {
        reached = through
        onApplied(reached)
        continue
      }
      line.add(async () => {
        await inTransaction(pool, async (client) => {
          await Promise.all([
            client.query(checkpointStatement({ ...lease, from: saved, to: through })),
            memory.write(client, remembered),
            history.postpone(client, postponed),
          ])
        })
        saved = through
      })
      await line.empty()
      reached = through
      if (remembered.opened.length > 0) unpark.wake()
      if (postponed.length > 0) history.wake()
      onApplied(reached)
    }
    line.add(save) // spares the next start a few pages
    await line.empty()
  } finally {
    clearInterval(saving)
  }
}

async function applyPage(
  events: readonly RecordedEvent[],
  { memory, handle, store, stopMarketing }: Pick<Intake, 'memory' | 'handle' | 'store' | 'stopMarketing'>,
): Promise<{ remembered: Remembered; postponed: readonly RecordedEvent[] }> {
  const outgoing = events.flatMap(outgoingOf)
  for (const message of outgoing) memory.note(message)

  const deliveries = events.filter(({ type }) => type === 'WebhookReceived')
  const answered = outgoing.flatMap(({ tenantId, providerId }) => (providerId === undefined ? [] : [{ tenantId, providerId }]))
  const waiting = await memory.earlyStatusesOf(answered)
  const { early, parked, postponed = [] } = await handle(deliveries, waiting, { postponeHistory: true })
  await recordParked(store, parked)
  await atMost(stopsAtOnce, events.filter(isStop), async (failed) => stopMarketing(failed.stream.id, failed.meta.occurredAt, causedBy(failed)))

  const rows = parked.flatMap(({ tenantId, deliveryId, addresses }) => addresses.map((address) => ({ tenantId, deliveryId, address })))
  const remembered = {
    outgoing,
    early,
    earlyDone: waiting.map(({ tenantId, report }) => ({ tenantId, providerId: report.providerId })),
    parked: rows,
    opened: events.flatMap(openedBy),
    unparked: [],
  }
  return { remembered, postponed }
}

const stopsAtOnce = 100

/** Meta refused the call itself because the person wants no marketing; where it says so in a status, that is told with the status. */
const isStop = ({ type, data }: RecordedEvent): boolean => type === 'SendFailed' && saysStop(data['error'] as { code: string } | undefined)

const causedBy = ({ id, stream, meta }: RecordedEvent): CommandContext => ({
  tenantId: stream.tenantId,
  actor: { kind: 'provider', id: 'meta' },
  commandId: derivedId('send failed', id),
  correlationId: meta.correlationId,
  causationId: id,
  at: new Date(meta.occurredAt),
})

/** Also what left without us, on the phone or before the connection: its statuses come here too. */
export function outgoingOf({ type, stream, data }: RecordedEvent): readonly OutgoingMessage[] {
  const { messageId, providerId, direction } = data
  const isOutgoing = type === 'MessageQueued' || type === 'SendAccepted' || (type === 'MessageRecorded' && direction === 'outbound')
  if (typeof messageId !== 'string' || !isOutgoing) return []
  return [{ tenantId: stream.tenantId, messageId, conversationId: stream.id, ...(typeof providerId === 'string' ? { providerId } : {}) }]
}

/** What waits for a channel is worked off beside the pages, see `UnparkDeliveries`. */
const openedBy = ({ type, data }: RecordedEvent): readonly string[] =>
  type === 'ChannelAdded' ? [`number:${String(data['phoneNumberId'])}`, `waba:${String(data['wabaId'])}`] : []

const isEmpty = (remembered: Remembered): boolean => Object.values(remembered).every((rows) => rows.length === 0)
