import type { LogScan, Scan } from '../../domain/kernel/log-scan.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { start } from '../../domain/kernel/position.ts'
import type { BulkFold } from './bulk-fold.ts'

export type FoldingLog = { readonly scan: LogScan; readonly budgetBytes?: number | undefined }
const defaultBudgetBytes = 96 * 1024 * 1024

/** A stretch of the log, from its beginning, through these folds in one pass, until their tables hold every row. `onPage` says how far it is. */
export async function foldLog(
  { scan, budgetBytes = defaultBudgetBytes }: FoldingLog,
  folds: readonly Pick<BulkFold, 'projection' | 'fold' | 'weight' | 'spill' | 'returning' | 'finish'>[],
  stretch: Omit<Scan, 'after' | 'types'>,
  onPage: (page: { readonly through: Position; readonly events: number }) => Promise<void> | void,
): Promise<void> {
  const types = [...new Set(folds.flatMap(({ projection }) => projection.handles))]
  for await (const { events, through } of scan({ ...stretch, after: start, types })) {
    for (const fold of folds) await fold.fold(events)
    await keepWithin(folds, budgetBytes)
    await onPage({ through, events: events.length })
  }
  for (const fold of folds) {
    stretch.signal?.throwIfAborted()
    await fold.finish()
  }
}

type Spilling = Pick<BulkFold, 'weight' | 'spill' | 'returning'>

/**
 * Messages are done with after minutes, conversations go on for weeks: spilled by weight alone, both at once, the conversations came and went all the time
 * while messages that nobody would ask for again stayed. So what came back once is spilled later.
 */
async function keepWithin(folds: readonly Spilling[], budgetBytes: number): Promise<void> {
  const total = (): number => folds.reduce((sum, fold) => sum + fold.weight(), 0)
  if (total() <= budgetBytes) return
  const worth = (fold: Spilling): number => fold.weight() * Math.max(0.01, 1 - fold.returning()) ** 2
  // Below the limit, so that the next page does not find it full again; but little by little. By halves, down to six tenths: two and a half times as many
  // conversations came back. (Whoever was not asked for longest, of whichever read model: ten times as many.)
  while (total() > budgetBytes * 0.85) await folds.reduce((a, b) => (worth(b) > worth(a) ? b : a)).spill(0.2)
}
