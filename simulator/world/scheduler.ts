export type Scheduler = {
  /** Runs the task after the delay; tasks of the same moment run in the order they were given. */
  readonly after: (delayMs: number, task: () => void) => void
  readonly pending: () => number
  readonly clear: () => void
}

type Entry = { readonly due: number; readonly order: number; readonly task: () => void }

/** Statuses of thousands of messages per second wait here: one heap and one timer instead of a timer for each. */
export function createScheduler(): Scheduler {
  const heap: Entry[] = []
  let order = 0
  let timer: NodeJS.Timeout | undefined
  let wakesAt = Infinity

  const before = (a: Entry, b: Entry): boolean => a.due < b.due || (a.due === b.due && a.order < b.order)

  function push(entry: Entry): void {
    let at = heap.push(entry) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up]
      if (!parent || !before(entry, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = entry
  }

  function pop(): Entry | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      let smaller = heap[child]
      if (!smaller) break
      const right = heap[child + 1]
      if (right && before(right, smaller)) {
        smaller = right
        child += 1
      }
      if (!before(smaller, last)) break
      heap[at] = smaller
      at = child
    }
    heap[at] = last
    return first
  }

  function wake(): void {
    timer = undefined
    wakesAt = Infinity
    const now = performance.now()
    for (let first = heap[0]; first && first.due <= now; first = heap[0]) {
      pop()
      first.task()
    }
    arm()
  }

  function arm(): void {
    const first = heap[0]
    if (!first || first.due >= wakesAt) return
    clearTimeout(timer)
    wakesAt = first.due
    timer = setTimeout(wake, Math.max(0, Math.ceil(first.due - performance.now())))
    // A status that is still to come must not keep a finished test run alive.
    timer.unref()
  }

  return {
    after(delayMs, task) {
      push({ due: performance.now() + delayMs, order: order++, task })
      arm()
    },
    pending: () => heap.length,
    clear() {
      heap.length = 0
      clearTimeout(timer)
      timer = undefined
      wakesAt = Infinity
    },
  }
}
