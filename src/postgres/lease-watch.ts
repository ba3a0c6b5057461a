import type { Pool } from 'pg'
import { pause } from './pause.ts'

export type Candidate = { readonly name: string; readonly owner: string }
type Waiter = Candidate & { readonly tell: () => void }
type Watch = { readonly waiting: Set<Waiter>; readonly wanted: Map<string, Set<string>>; looking: boolean }

/** Everything of a process that waits for a lease shares one look: a lease that is let go finds its next holder within a tenth of a second. */
const watches = new WeakMap<Pool, Watch>()
const lookMs = 100

function watchOf(pool: Pool): Watch {
  const known = watches.get(pool)
  if (known !== undefined) return known
  const fresh: Watch = { waiting: new Set(), wanted: new Map(), looking: false }
  watches.set(pool, fresh)
  return fresh
}

/** What a process would hold, for as long as it lives: what the fleet shares out. */
export function rememberLease(pool: Pool, { name, owner }: Candidate): void {
  const { wanted } = watchOf(pool)
  const names = wanted.get(owner)
  if (names === undefined) wanted.set(owner, new Set([name]))
  else names.add(name)
}

/** All leases that were asked for in this owner's name, held or not. */
export const rememberedLeases = (pool: Pool, owner: string): readonly string[] => [...(watchOf(pool).wanted.get(owner) ?? [])]

/**
 * Resolves when the lease looks free for this candidate, after `mostMs`, or with the signal; only asking for it tells.
 * Rejected: NOTIFY by who lets go. It needs a connection of its own that must never be missed, and says nothing when a lease lapses.
 */
export async function untilFree(pool: Pool, candidate: Candidate, mostMs: number, signal: AbortSignal): Promise<void> {
  const watch = watchOf(pool)
  const over = new AbortController()
  const waiter = { ...candidate, tell: () => over.abort() }
  watch.waiting.add(waiter)
  void look(pool, watch)
  await pause(mostMs, AbortSignal.any([signal, over.signal]))
  watch.waiting.delete(waiter)
}

async function look(pool: Pool, watch: Watch): Promise<void> {
  if (watch.looking) return
  watch.looking = true
  const never = new AbortController()
  while (watch.waiting.size > 0) {
    await pause(lookMs, never.signal)
    const asked = [...watch.waiting]
    // A database that does not answer is not asked more often for it: who waits asks by itself after a while.
    for (const place of await freeOf(pool, asked).catch(() => [])) asked[place - 1]?.tell()
  }
  watch.looking = false
}

async function freeOf(pool: Pool, asked: readonly Candidate[]): Promise<readonly number[]> {
  if (asked.length === 0) return []
  const { rows } = await pool.query<{ place: string }>({
    name: 'leases_free',
    text: `
      select w.place from unnest($1::text[], $2::text[]) with ordinality as w (name, owner, place) left join es.subscriptions s on s.name = w.name
      where s.name is null or (s.status <> 'retired' and (s.owner is null or s.owner = w.owner or s.lease_until is null or s.lease_until < clock_timestamp())
        and (s.assigned_to is null or s.assigned_to = w.owner or not es.is_here(s.assigned_to)))`,
    values: [asked.map(({ name }) => name), asked.map(({ owner }) => owner)],
  })
  return rows.map(({ place }) => Number(place))
}
