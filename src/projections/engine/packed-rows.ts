import type { Pool } from 'pg'
import { copyTuples, tupleForm } from '../../postgres/copy.ts'
import { snake, tableOf } from './naming.ts'
import type { AnyRow, Projection, Value } from './projection.ts'

/**
 * A row as one text of the bytes that COPY takes for it, a character a byte: for the garbage collector one thing without a reference in it, where the row is
 * an object, a dozen texts and eight moments. Written into the table it only has to be copied.
 */
export type Packed = string

export type RowPacker = {
  readonly pack: (tenantId: string, row: AnyRow) => Packed
  readonly unpack: (packed: Packed) => AnyRow
}

/** Rows on their way into a table, a piece at a time and one piece after the other. Nobody finds them before `settle`. */
export type Outlet = {
  readonly put: (packed: Packed) => void
  readonly putRow: (tenantId: string, row: AnyRow) => void
  /** Starts to write when there is enough; waits for the piece before. */
  readonly relieve: () => Promise<void>
  /** Resolves when everything that was put is in the table. */
  readonly settle: () => Promise<void>
}

const [chunkBytes, pieceBytes] = [256 * 1024, 1024 * 1024]

export function packRows(projection: Projection, schema: string): RowPacker & { readonly outletTo: (pool: Pool, guard?: () => void) => Outlet } {
  const columns = [
    { name: 'tenant_id', type: 'uuid' as const },
    ...Object.entries(projection.table.columns).map(([name, type]) => ({ name: snake(name), type })),
  ]
  const names = Object.keys(projection.table.columns)
  const form = tupleForm(columns.map(({ type }) => type))
  const values: (Value | undefined)[] = columns.map(() => undefined)
  // Filled, not grown: an object that was given two dozen fields one by one is one that the engine copies slowly, and a fold does nothing but copy.
  const blank = JSON.parse(JSON.stringify(Object.fromEntries(names.map((name) => [name, null])))) as Record<string, Value>
  let scratch = Buffer.allocUnsafe(64 * 1024)

  function lay(tenantId: string, row: AnyRow): number {
    values[0] = tenantId
    for (let column = 0; column < names.length; column++) values[column + 1] = row[names[column] ?? '']
    return form.room(values)
  }
  const scratchOf = (room: number): Buffer => (room <= scratch.length ? scratch : (scratch = Buffer.allocUnsafe(2 * room)))

  function outletTo(pool: Pool, guard?: () => void): Outlet {
    let chunk = Buffer.alloc(0)
    let at = 0
    let waiting: Buffer[] = []
    let writing: Promise<void> = Promise.resolve()

    function roomFor(bytes: number): void {
      if (at + bytes <= chunk.length) return
      if (at > 0) waiting.push(chunk.subarray(0, at))
      chunk = Buffer.allocUnsafeSlow(Math.max(chunkBytes, bytes))
      at = 0
    }
    async function start(): Promise<void> {
      await writing
      const pieces = at > 0 ? [...waiting, chunk.subarray(0, at)] : waiting
      waiting = []
      chunk = Buffer.alloc(0)
      at = 0
      if (pieces.length === 0) return
      guard?.()
      writing = write(pool, pieces)
      // Its failure is met by whoever waits for it; until then it must not count as one that nobody handles.
      writing.catch(() => undefined)
    }
    async function write(from: Pool, pieces: readonly Buffer[]): Promise<void> {
      const client = await from.connect()
      let failed: Error | undefined
      try {
        await copyTuples(client, `${schema}.${tableOf(projection)}`, columns, pieces)
      } catch (error) {
        failed = error instanceof Error ? error : new Error(String(error))
        throw error
      } finally {
        client.release(failed)
      }
    }
    return {
      put(packed) {
        roomFor(packed.length)
        at += chunk.write(packed, at, 'latin1')
      },
      putRow(tenantId, row) {
        const room = lay(tenantId, row)
        roomFor(room)
        at = form.write(chunk, at, values)
      },
      async relieve() {
        if (waiting.length * chunkBytes >= pieceBytes) await start()
      },
      async settle() {
        await start()
        await writing
      },
    }
  }

  return {
    pack(tenantId, row) {
      const buffer = scratchOf(lay(tenantId, row))
      return buffer.toString('latin1', 0, form.write(buffer, 0, values))
    },
    unpack(packed) {
      const buffer = scratchOf(packed.length)
      buffer.write(packed, 0, 'latin1')
      const read = form.read(buffer, 0)
      const row: Record<string, Value> = { ...blank }
      for (let column = 0; column < names.length; column++) row[names[column] ?? ''] = read[column + 1] ?? null
      return row as AnyRow
    },
    outletTo,
  }
}
