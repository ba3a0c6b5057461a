type Waiting<Item, Value> = {
  readonly item: Item
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (reason: unknown) => void
}

export type Loaded<Value> = { readonly value: Value } | { readonly error: unknown }

/** What came of one item, as its loader answers it. */
export async function loaded<Value>(work: () => Value | Promise<Value>): Promise<Loaded<Value>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

/**
 * Callers who ask while a load is under way share the next one: one statement for all who wait, whatever their number, and no timer.
 * A load answers for each item by itself, so that one broken key is the trouble of those who asked for it. When a load fails as a whole, it fails those
 * who shared it and nobody else; they ask again.
 */
export function shareLoads<Item, Value>(
  load: (items: readonly Item[]) => Promise<readonly Loaded<Value>[]>,
): (key: string, item: Item) => Promise<Value> {
  let waiting = new Map<string, Waiting<Item, Value>>()
  let running = false

  async function run(): Promise<void> {
    while (waiting.size > 0) {
      const sharing = [...waiting.values()]
      waiting = new Map()
      try {
        const values = await load(sharing.map(({ item }) => item))
        sharing.forEach(({ resolve, reject }, index) => {
          const mine = values[index] ?? { error: new Error('a load answers for every item') }
          if ('error' in mine) reject(mine.error)
          else resolve(mine.value)
        })
      } catch (error) {
        for (const { reject } of sharing) reject(error)
      }
    }
    running = false
  }

  return (key, item) => {
    const known = waiting.get(key)
    if (known !== undefined) return known.promise
    const mine = Promise.withResolvers<Value>()
    waiting.set(key, { item, ...mine })
    if (!running) {
      running = true
      setImmediate(() => void run())
    }
    return mine.promise
  }
}
