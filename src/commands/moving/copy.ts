import type { Pool } from 'pg'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import type { LogImport } from '../../domain/kernel/log-import.ts'
import { keepCopied, type Move } from './moves.ts'
import { pagesOf } from './pages.ts'

export type CopyOptions = {
  readonly pool: Pool
  readonly move: Move
  readonly source: EventStore
  readonly destination: LogImport
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((copied: Move['copied']) => void) | undefined
}

/**
 * Writes what the destination does not have yet, up to the present end of the source. A page is written before it is marked as written: whoever is killed in
 * between writes it again, and the destination passes over what it has.
 */
export async function copyOn({ pool, move, source, destination, signal, onProgress }: CopyOptions): Promise<Move> {
  let { copied } = move
  for await (const { events, through } of pagesOf(source, copied.through, signal)) {
    await destination.write(events)
    copied = { through, events: copied.events + events.length }
    await keepCopied(pool, move.id, copied)
    onProgress?.(copied)
  }
  return { ...move, copied }
}
