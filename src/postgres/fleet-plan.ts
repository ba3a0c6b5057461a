/** A process that is there. In the order in which they came. */
export type Member = { readonly owner: string; readonly runs: readonly string[] }
/** `with`: who is to have it by the last plan, or has it. */
export type LeasePlace = { readonly name: string; readonly with: string | undefined }

/**
 * Who is to hold which lease: of each group everybody as many as everybody else, give or take one, and as few moved as that allows. Pure, and the plan made of
 * its own result is the same one, so that nothing wanders while nobody comes or goes.
 * @param groups prefixes of names; what matches none is a group of its own. Each group is shared out by itself: one process with all of the heavy ones and
 * another with as many that do nothing would be shared out in number only.
 */
export function planFleet(
  members: readonly Member[],
  leases: readonly LeasePlace[],
  groups: readonly (readonly string[])[],
): ReadonlyMap<string, string> {
  const plan = new Map<string, string>()
  const load = new Map(members.map(({ owner }) => [owner, 0]))
  for (const group of grouped(leases, groups)) {
    const able = members.filter(({ runs }) => group.some(({ name }) => runs.includes(name)))
    for (const [name, owner] of shareOut(able, group, load)) {
      plan.set(name, owner)
      load.set(owner, (load.get(owner) ?? 0) + 1)
    }
  }
  return plan
}

function grouped(leases: readonly LeasePlace[], groups: readonly (readonly string[])[]): readonly (readonly LeasePlace[])[] {
  const sorted = leases.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const groupOf = ({ name }: LeasePlace): number => groups.findIndex((prefixes) => prefixes.some((prefix) => name.startsWith(prefix)))
  return [...groups.keys(), -1].map((group) => sorted.filter((lease) => groupOf(lease) === group))
}

function shareOut(members: readonly Member[], leases: readonly LeasePlace[], load: ReadonlyMap<string, number>): ReadonlyMap<string, string> {
  const has = (owner: string): number => leases.filter((lease) => lease.with === owner).length
  // One more than the others: those who have most of these already, then those who have least of everything else.
  const order = members.toSorted((a, b) => has(b.owner) - has(a.owner) || (load.get(a.owner) ?? 0) - (load.get(b.owner) ?? 0))
  const least = Math.floor(leases.length / Math.max(1, members.length))
  const more = leases.length - least * members.length
  const room = new Map(order.map(({ owner }, place) => [owner, least + (place < more ? 1 : 0)]))
  const plan = new Map<string, string>()
  const give = (name: string, owner: string): void => {
    plan.set(name, owner)
    room.set(owner, (room.get(owner) ?? 0) - 1)
  }
  const canRun = (owner: string | undefined, name: string): boolean => members.some((member) => member.owner === owner && member.runs.includes(name))
  for (const { name, with: holder } of leases) if (holder !== undefined && canRun(holder, name) && (room.get(holder) ?? 0) > 0) give(name, holder)
  for (const { name } of leases) {
    if (plan.has(name)) continue
    // Not everybody can run everything (another version, another role): then some get more than their part.
    const [next] = order.filter(({ owner }) => canRun(owner, name)).toSorted((a, b) => (room.get(b.owner) ?? 0) - (room.get(a.owner) ?? 0))
    if (next !== undefined) give(name, next.owner)
  }
  return plan
}
