/**
 * Work that runs one after the other beside the loop that hands it in. After the first failure nothing more runs: `onFailure` is told at once (so that the
 * loop can be woken), and `empty` throws it.
 */
export function workLine(onFailure: (error: unknown) => void): { add: (work: () => Promise<void>) => void; empty: () => Promise<void> } {
  let last: Promise<void> = Promise.resolve()
  let failure: { readonly error: unknown } | undefined

  async function unlessFailed(before: Promise<void>, work: () => Promise<void>): Promise<void> {
    await before
    if (failure !== undefined) return
    try {
      await work()
    } catch (error) {
      failure = { error }
      onFailure(error)
    }
  }

  return {
    add(work) {
      last = unlessFailed(last, work)
    },
    async empty() {
      await last
      if (failure !== undefined) throw failure.error
    },
  }
}
