import type { Position } from '../../domain/kernel/position.ts'
import { BadCursor, type Page } from '../../projections/engine/page.ts'
import { ok, type Answer } from '../http/call.ts'
import { badCursor } from '../http/paging.ts'

/** A page of rows as the contract's list. */
export async function listed<Row>(
  page: Promise<Page<Row>>,
  render: (rows: readonly Row[]) => Promise<readonly unknown[]> | readonly unknown[],
  position?: Position,
): Promise<Answer> {
  try {
    const { rows, nextCursor } = await page
    return ok({ data: await render(rows), next_cursor: nextCursor ?? null }, { position })
  } catch (error) {
    throw error instanceof BadCursor ? badCursor() : error
  }
}
