import type { Pool } from 'pg'
import { positionOf, type Position } from '../domain/kernel/position.ts'
import { rememberLease, untilFree } from './lease-watch.ts'
import { pause } from './pause.ts'

/**
 * The right to move a subscription on, for as long as the database's clock says: FREE → HELD → (renewed …) → FREE again by release or by lapse.
 * Invariant: a new holder has a higher token, and every write of a page begins with a compare-and-set on (token, position), see `checkpointStatement`.
 * So a holder that slept through its lease can still believe in it, but can no longer write.
 */
export type Lease = {
  readonly name: string
  readonly owner: string
  /** Decimal text of a bigint. */
  readonly token: string
  /** How far the subscription had come when the lease was taken. */
  readonly position: Position
}

export type LeaseRequest = {
  /** The subscription, e.g. `conversations@v1` or `intake`. */
  readonly name: string
  /** Must be another one for every process and every start of it, e.g. host, pid and a random part. */
  readonly owner: string
  /** Lapses after this long without renewal. */
  readonly ttlMs: number
  /** Also what is meant for another process of the installation (see fleet.ts). */
  readonly regardless?: boolean
}

/** Somebody else holds the lease now, or moved the position: stop, write nothing more, take the lease anew. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** The error code of `es.advance` when the compare-and-set fails. */
const leaseLostCode = 'RC001'

/** Whether a failed statement or transaction means that the lease is gone. */
export const isLeaseLost = (error: unknown): boolean =>
  error instanceof LeaseLost || (typeof error === 'object' && error !== null && 'code' in error && error.code === leaseLostCode)

// The token grows with every acquisition, also by the same owner: a page that its own earlier try left in flight must not be written after it.
const acquire = `
  insert into es.subscriptions as s (name, fencing_token, owner, lease_until)
  values ($1, 1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  on conflict (name) do update set
    owner = excluded.owner, fencing_token = s.fencing_token + 1, lease_until = clock_timestamp() + $3 * interval '1 millisecond',
    updated_at = clock_timestamp()
  where (s.owner = excluded.owner or s.lease_until is null or s.lease_until < clock_timestamp()) and s.status <> 'retired'
    and ($4 or s.assigned_to is null or s.assigned_to = excluded.owner or not es.is_here(s.assigned_to))
  returning fencing_token, position`

/** The lease, or undefined while somebody else holds it, it is meant for another one who is there, or the subscription was retired. */
export async function acquireLease(pool: Pool, { name, owner, ttlMs, regardless = false }: LeaseRequest): Promise<Lease | undefined> {
  const { rows } = await pool.query<{ fencing_token: string; position: string }>({
    name: 'lease_acquire',
    text: acquire,
    values: [name, owner, ttlMs, regardless],
  })
  const [row] = rows
  return row === undefined ? undefined : { name, owner, token: row.fencing_token, position: positionOf(row.position) }
}

/** `wanted`: held, and meant for another one who is there. A lease that lapsed without a successor is still ours: nobody else got a token. */
export async function renewLease(pool: Pool, lease: Lease, ttlMs: number): Promise<'held' | 'wanted' | 'lost'> {
  const { rows } = await pool.query<{ wanted: boolean }>({
    name: 'lease_renew',
    text: `update es.subscriptions set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
      where name = $1 and fencing_token = $2 and owner is not null
      returning coalesce(assigned_to <> owner and es.is_here(assigned_to), false) as wanted`,
    values: [lease.name, lease.token, ttlMs],
  })
  return rows[0] === undefined ? 'lost' : rows[0].wanted ? 'wanted' : 'held'
}

/** Lets the next one in at once. Harmless when the lease was lost meanwhile. */
export async function releaseLease(pool: Pool, lease: Lease): Promise<void> {
  await pool.query({
    name: 'lease_release',
    text: 'update es.subscriptions set owner = null, lease_until = null where name = $1 and fencing_token = $2',
    values: [lease.name, lease.token],
  })
}

export type Checkpoint = { readonly name: string; readonly token: string; readonly from: Position; readonly to: Position }

/**
 * The first statement of the transaction that writes what was made of the events in (from, to]: it moves the position on, or fails with `isLeaseLost`.
 * May be sent in one flight with the rest of the transaction.
 */
export const checkpointStatement = ({ name, token, from, to }: Checkpoint): { name: string; text: string; values: string[] } => ({
  name: 'lease_advance',
  text: 'select es.advance($1, $2, $3, $4)',
  values: [name, token, from, to],
})

/** How far a subscription has come; undefined when it never ran. */
export async function checkpointOf(pool: Pool, name: string): Promise<Position | undefined> {
  const { rows } = await pool.query<{ position: string }>({
    name: 'lease_checkpoint',
    text: 'select position from es.checkpoints where name = $1',
    values: [name],
  })
  return rows[0] === undefined ? undefined : positionOf(rows[0].position)
}

export type HoldOptions = LeaseRequest & {
  readonly pool: Pool
  readonly signal: AbortSignal
  /** How long a lease that is with somebody else is left alone at most (a fifth of `ttlMs`); it is asked for at once when it is seen to be free. */
  readonly retryMs?: number
  /** Stays where it is for as long as the holder lives: what it has begun would be begun anew elsewhere. Without it the fleet shares it out. */
  readonly stays?: boolean
  /** Told when the lease was taken (`held`), found with somebody else (`denied`, once per waiting), lost, or when the database could not be asked. */
  readonly onChange?: (change: 'held' | 'denied' | 'lost' | 'handing over' | 'unreachable' | 'released', error?: unknown) => void
}

/**
 * Runs `work` whenever the lease is held, until `signal`: waits for it, renews it at a third of its time, hands it back at the end.
 * The signal that `work` gets is aborted when the lease is lost, is to be handed over, or `signal` is aborted; `work` then winds up and returns.
 * When `work` returns or throws `LeaseLost`, the lease is taken anew; any other error of `work` ends this and is thrown.
 */
export async function holdLease(options: HoldOptions, work: (lease: Lease, signal: AbortSignal) => Promise<void>): Promise<void> {
  const { pool, signal, ttlMs, retryMs = ttlMs / 5, onChange } = options
  if (options.stays !== true) rememberLease(pool, options)
  let waiting = false
  while (!signal.aborted) {
    let lease: Lease | undefined
    // Counted from before it was asked for: an answer that took its time must not make the lease longer here than it is in the database.
    const asked = performance.now()
    try {
      lease = await acquireLease(pool, options)
    } catch (error) {
      onChange?.('unreachable', error)
      await pause(retryMs, signal)
      continue
    }
    if (lease === undefined) {
      if (!waiting) onChange?.('denied')
      waiting = true
      await untilFree(pool, options, retryMs, signal)
      continue
    }
    waiting = false
    onChange?.('held')
    await workUnder(lease, asked, options, work)
  }
}

async function workUnder(
  lease: Lease,
  takenAt: number,
  options: HoldOptions,
  work: (lease: Lease, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { pool, signal, onChange } = options
  const over = new AbortController()
  const held = AbortSignal.any([signal, over.signal])
  const renewing = keepRenewing(lease, takenAt, options, held, over)
  try {
    await work(lease, held)
  } catch (error) {
    if (!isLeaseLost(error)) throw error
    over.abort(error)
    await pause(100, signal)
  } finally {
    if (over.signal.aborted) onChange?.(over.signal.reason instanceof LeaseLost ? 'lost' : 'handing over')
    over.abort()
    await renewing
    await releaseLease(pool, lease).catch(() => undefined) // it lapses by itself
    onChange?.('released')
  }
}

/** Of its time, what a lease counts here: who works under it needs a moment to notice and to stop before the database lets the next one in. */
const countedHere = 0.9

/**
 * A renewal that gets no answer is asked again until the lease counts no more, by our own clock and from before the last good one was asked:
 * work that went on after that could only find out at its next checkpoint.
 */
async function keepRenewing(lease: Lease, takenAt: number, { pool, ttlMs }: HoldOptions, held: AbortSignal, over: AbortController): Promise<void> {
  let until = takenAt + ttlMs * countedHere
  const left = (): number => until - performance.now()
  while (await pause(Math.min(ttlMs / 3, Math.max(1, left())), held)) {
    const asked = performance.now()
    const answer = await within(Math.max(1, left()), renewLease(pool, lease, ttlMs))
    if (answer === 'held') until = asked + ttlMs * countedHere
    else if (answer === 'wanted') return over.abort(new Error(`${lease.name} is handed over`))
    else if (answer === 'lost') return over.abort(new LeaseLost(`another one holds ${lease.name}`))
    // Timers know whole milliseconds and may be early by a part of one.
    else if (left() < 1) return over.abort(new LeaseLost(`${lease.name} could not be renewed in time`))
  }
}

/** The answer, or undefined when it fails or does not come in time. */
async function within<T>(ms: number, asked: Promise<T>): Promise<T | undefined> {
  const answered = new AbortController()
  try {
    return await Promise.race([asked.catch(() => undefined), pause(ms, answered.signal).then(() => undefined)])
  } finally {
    answered.abort()
  }
}
