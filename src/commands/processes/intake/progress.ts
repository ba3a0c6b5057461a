import type { Pool } from 'pg'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import { later, positionOf, start, type Position } from '../../../domain/kernel/position.ts'
import { intakeSubscription, intakeTypes } from './intake.ts'

export type IntakeProgress = {
  /** `stopped`: no process has it at present. */
  readonly state: 'live' | 'stopped'
  readonly position: Position
  readonly head: Position
  /** Events of the log from the oldest one that still waits for the intake to the head; 0 when none waits. null: it never ran. */
  readonly lagEvents: number | null
  /** How long the oldest of them has been waiting. */
  readonly lagSeconds: number | null
  /** The process that has it at present. */
  readonly heldBy: string | null
}

export type IntakeWatch = {
  /** Hand this to `runIntake`. */
  readonly report: (position: Position) => void
  readonly progress: () => Promise<IntakeProgress>
  /** Deliveries in the log that the intake has not come to yet, counted up to `mostCounted`. */
  readonly deliveriesWaiting: () => Promise<number>
  /**
   * Undefined once the intake has been near the head since this process started, else what to say to a probe. It is a hurdle of the start only: a process
   * that is ready takes webhooks, and a flood of them is no reason to send the next ones to nobody.
   */
  readonly startedUp: () => Promise<string | undefined>
}

/** More are not told apart: who has ten thousand deliveries waiting need not know how many more. */
export const mostCounted = 10_000
/** Near the head: what is worked off within a second or two. In events, or in seconds for an installation under a steady flood, where some thousand events are little. */
const near = { events: 1_000, seconds: 5 }

/** How far the intake is, in whichever process it runs: by its checkpoint, and by its own word where it runs in this one. */
export function createIntakeWatch({
  pool,
  store,
  clock,
}: {
  pool: Pool
  store: Pick<EventStore, 'head' | 'distance' | 'readAll'>
  clock: Clock
}): IntakeWatch {
  let reported = start
  let nearOnce = false

  async function checkpoint(): Promise<Pick<IntakeProgress, 'state' | 'position' | 'heldBy'> & { ran: boolean }> {
    const { rows } = await pool.query<{ position: string; live: boolean; owner: string | null }>({
      name: 'intake_progress',
      text: 'select position, owner is not null and lease_until > clock_timestamp() as live, owner from es.subscriptions where name = $1',
      values: [intakeSubscription],
    })
    const [row] = rows
    if (row === undefined) return { state: 'stopped', position: reported, heldBy: null, ran: false }
    return {
      state: row.live ? 'live' : 'stopped',
      position: later(reported, positionOf(row.position)),
      heldBy: row.live ? row.owner : null,
      ran: true,
    }
  }

  async function progress(): Promise<IntakeProgress> {
    // The head first: what is appended meanwhile may be counted as worked off, never as waiting beyond the head.
    const { position: head } = await store.head()
    const { state, position, heldBy, ran } = await checkpoint()
    // Its checkpoint is not moved for events that are none of its business; so what counts is the oldest one that is.
    const [oldest] = position < head ? (await store.readAll({ after: position, filter: { types: intakeTypes }, limit: 1 })).events : []
    if (!ran) return { state, position, head, lagEvents: null, lagSeconds: null, heldBy }
    if (oldest === undefined || oldest.position > head) return { state, position, head, lagEvents: 0, lagSeconds: 0, heldBy }
    const { events } = await store.distance(oldest.position, head)
    const lagSeconds = Math.max(0, (clock().getTime() - oldest.recordedAt.getTime()) / 1_000)
    return { state, position, head, lagEvents: events === undefined ? null : events + 1, lagSeconds, heldBy }
  }

  return {
    report(position) {
      reported = later(reported, position)
    },
    progress,
    async deliveriesWaiting() {
      const { position } = await checkpoint()
      const { events } = await store.readAll({ after: position, filter: { types: ['WebhookReceived'] }, limit: mostCounted })
      return events.length
    },
    async startedUp() {
      if (nearOnce) return undefined
      const { lagEvents, lagSeconds } = await progress()
      if (lagSeconds === null) return 'the intake has not run yet'
      nearOnce = lagSeconds <= near.seconds || (lagEvents !== null && lagEvents <= near.events)
      return nearOnce ? undefined : 'deliveries are being worked off'
    },
  }
}
