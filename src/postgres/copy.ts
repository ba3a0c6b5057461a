import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import type { PoolClient } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { elementReaders, elementWriter, encodedBytes, type ArrayType } from './binary-array.ts'

const signature = Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1')

const pieceBytes = 256 * 1024

/**
 * Writes rows by `COPY … FROM STDIN (format binary)`; `valuesOf` gives a row's values in the order of the columns. Resolves when the server has them.
 * @param client of a pool made with `pipeline: false`
 * @throws TypeError for a value that the format cannot hold; nothing is written then
 */
export async function copyIn<Row>(
  client: PoolClient,
  table: string,
  columns: readonly { readonly name: string; readonly type: ArrayType }[],
  rows: Iterable<Row>,
  valueOf: (row: Row, column: number) => unknown,
): Promise<number> {
  const form = tupleForm(columns.map(({ type }) => type))
  const values: unknown[] = columns.map(() => undefined)
  let count = 0
  function* pieces(): Generator<Buffer> {
    let buffer: Buffer = Buffer.allocUnsafe(pieceBytes)
    let at = 0
    for (const row of rows) {
      for (let column = 0; column < values.length; column++) values[column] = valueOf(row, column)
      const room = form.room(values)
      if (at + room > buffer.length) {
        yield buffer.subarray(0, at)
        buffer = Buffer.allocUnsafe(Math.max(pieceBytes, room))
        at = 0
      }
      at = form.write(buffer, at, values)
      count++
    }
    yield buffer.subarray(0, at)
  }
  await copyTuples(client, table, columns, pieces())
  return count
}

/** Writes tuples that are in the form of COPY already (`tupleForm`), in pieces of any number of whole ones. What throws while it is iterated ends it, and nothing is written. */
export async function copyTuples(
  client: PoolClient,
  table: string,
  columns: readonly { readonly name: string }[],
  pieces: Iterable<Buffer>,
): Promise<void> {
  const stream = client.query(copyFrom(`copy ${table} (${columns.map(({ name }) => name).join(', ')}) from stdin (format binary)`))
  const done = finished(stream)
  // Waited for below; a failure meanwhile must not count as one that nobody handles.
  done.catch(() => undefined)
  try {
    stream.write(Buffer.concat([signature, Buffer.alloc(8)]))
    for (const piece of pieces) if (!stream.write(piece)) await Promise.race([once(stream, 'drain'), done])
    stream.end(Buffer.from([0xff, 0xff]))
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
    await done.catch(() => undefined)
    throw error
  }
  await done
}

/** Rows of these columns as COPY has them in its binary format. */
export type TupleForm = {
  /** At most so many bytes; cheaper than to count them. */
  readonly room: (values: readonly unknown[]) => number
  /** Writes one where there is room for it; returns the next offset. @throws TypeError for a value that the format cannot hold */
  readonly write: (buffer: Buffer, at: number, values: readonly unknown[]) => number
  /** Values as they are read from the database. */
  readonly read: (buffer: Buffer, at: number) => Value[]
}
type Value = string | number | boolean | Date | Uint8Array | null

export function tupleForm(types: readonly ArrayType[]): TupleForm {
  const writers = types.map(elementWriter)
  const readers = types.map((type) => elementReaders[type])
  return {
    room(values) {
      let room = 2
      for (const value of values) room += encodedBytes(value)
      return room
    },
    write(buffer, from, values) {
      let at = buffer.writeInt16BE(writers.length, from)
      for (let column = 0; column < writers.length; column++) at = writers[column]?.(buffer, values[column], at) ?? at
      return at
    },
    read(buffer, from) {
      const values: Value[] = []
      let at = from + 2
      for (const reader of readers) {
        const length = buffer.readInt32BE(at)
        at += 4
        values.push(length === -1 ? null : reader(buffer, at, length))
        if (length > 0) at += length
      }
      return values
    },
  }
}
