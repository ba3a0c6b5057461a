/**
 * One place among those that run jobs goes round: it is only given to owners who have nothing running elsewhere and had no turn yet in this round, oldest
 * job first. When it asks and gets nothing, everybody who waits has had a turn, and the next round begins. So nobody waits for more than one job of each
 * other, however many somebody else has; and an owner alone has all places but this one.
 */
export function createJobTurns(): {
  /** Owners whose jobs the round place leaves alone, asked right before it takes one. */
  readonly leaveAlone: () => string[]
  readonly begun: (owner: string, inTurn: boolean) => void
  readonly ended: (owner: string) => void
} {
  const running = new Map<string, number>()
  const served = new Set<string>()
  let found = true

  return {
    leaveAlone() {
      if (!found) served.clear()
      found = false
      return [...new Set([...running.keys(), ...served])]
    },
    begun(owner, inTurn) {
      running.set(owner, (running.get(owner) ?? 0) + 1)
      if (!inTurn) return
      found = true
      served.add(owner)
    },
    ended(owner) {
      const left = (running.get(owner) ?? 1) - 1
      if (left === 0) running.delete(owner)
      else running.set(owner, left)
    },
  }
}
