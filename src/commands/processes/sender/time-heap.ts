/** A priority queue by time. Entries are not removed early: who changed their mind is recognised when the entry comes out. */
export type TimeHeap<T> = { push: (at: number, item: T) => void; popDue: (now: number) => T | undefined; nextAt: () => number | undefined }

export function createTimeHeap<T>(): TimeHeap<T> {
  const heap: { at: number; item: T }[] = []
  const at = (index: number): number => heap[index]?.at ?? Infinity

  function swap(a: number, b: number): void {
    const [one, other] = [heap[a], heap[b]]
    if (one === undefined || other === undefined) return
    heap[a] = other
    heap[b] = one
  }
  function sink(index: number): void {
    for (;;) {
      const left = 2 * index + 1
      const smaller = at(left + 1) < at(left) ? left + 1 : left
      if (at(smaller) >= at(index)) return
      swap(index, smaller)
      index = smaller
    }
  }
  function rise(index: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (at(parent) <= at(index)) return
      swap(index, parent)
      index = parent
    }
  }
  return {
    push(at, item) {
      heap.push({ at, item })
      rise(heap.length - 1)
    },
    popDue(now) {
      if (at(0) > now) return undefined
      const [top] = heap
      const last = heap.pop()
      if (last !== undefined && heap.length > 0) {
        heap[0] = last
        sink(0)
      }
      return top?.item
    },
    nextAt: () => heap[0]?.at,
  }
}
