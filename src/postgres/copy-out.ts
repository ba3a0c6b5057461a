import type { Connection, Pool, Submittable } from 'pg'

/** Whole tuples, and where each begins (behind its count of columns). */
export type Piece = { readonly bytes: Buffer; readonly starts: readonly number[] }

/**
 * The rows of a query by `COPY … TO STDOUT (format binary)`, in pieces of `pieceBytes`. Binary, because a field is then a length and bytes: nothing to unescape,
 * nothing to look for, numbers are numbers. The server sends on while a piece is worked on, as far as the socket's buffers go. (Pieces of 1 MB took 30 MB more
 * of memory for nothing; of 128 kB, a fold whose rows do not fit asks for what it misses eight times as often.)
 * @param pool made with `pipeline: false`
 */
export async function* copyOut(
  pool: Pool,
  query: string,
  { pieceBytes = 1 << 19, signal }: { pieceBytes?: number; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Piece> {
  const client = await pool.connect()
  let whole = false
  try {
    const reader = client.query(copyReader(`copy (${query}) to stdout (format binary)`, pieceBytes))
    for (;;) {
      const piece = await reader.next()
      signal?.throwIfAborted()
      if (piece === undefined) break
      if (piece.starts.length > 0) yield piece
    }
    whole = true
  } finally {
    // Left in the middle, the server would go on sending: the connection is of no more use.
    client.release(!whole)
  }
}

/** Of the protocol: a byte for the kind of a message, four for its length (itself included), and each tuple in a message of its own. */
const [kindAndLength, copyData] = [5, 100]
/** What may come between tuples and is none: CopyOutResponse, and what a server may say at any time (notice, parameter status, notification). */
const passedOver: ReadonlySet<number> = new Set([72, 78, 83, 65])
/** Before the first tuple, in the same message: signature, flags, length of an extension, which there has never been one of. */
const headerBytes = 19
/** In the place of a count of columns: the end. */
const trailerBytes = 2

type CopyReader = Submittable & { readonly next: () => Promise<Piece | undefined> }

/**
 * Reads the socket itself: SENDING (its bytes come here) → ENDED (they go to `pg` again, from the first that is no part of the copy). The stream of
 * pg-copy-streams takes every tuple out of its message, one by one, and was a fourteenth of the time of a rebuild; where messages begin is where tuples begin,
 * so the messages may stay as they came.
 */
function copyReader(text: string, pieceBytes: number): CopyReader {
  const most = 4 * pieceBytes
  let stream: Connection['stream'] | undefined
  let toPg: ((chunk: Buffer) => void) | undefined
  let held: Buffer[] = []
  let size = 0
  /** Where the next message begins in what is held; behind its end when the one before is not all there. */
  let next = 0
  let starts: number[] = []
  let first = true
  const ready: Piece[] = []
  let readyBytes = 0
  let over: { readonly error?: Error } | undefined
  let wake: (() => void) | undefined

  function onData(chunk: Buffer): void {
    held.push(chunk)
    size += chunk.length
    if (!walk()) return handBack()
    if (size >= pieceBytes) give()
    if (readyBytes >= most) stream?.pause()
  }

  /** False when something comes that is no part of the copy. */
  function walk(): boolean {
    while (size - next >= kindAndLength) {
      let last = held.at(-1) ?? Buffer.alloc(0)
      if (next < size - last.length) held = [(last = Buffer.concat(held))]
      const at = next - (size - last.length)
      const kind = last[at] ?? 0
      const end = next + 1 + last.readUInt32BE(at + 1)
      if (kind === copyData) {
        const begin = next + kindAndLength + (first ? headerBytes : 0)
        first = false
        if (end - begin > trailerBytes) starts.push(begin + 2)
      } else if (!passedOver.has(kind)) return false
      next = end
    }
    return true
  }

  /** Hands on the tuples that are all there. */
  function give(): void {
    if (next > size && starts.length < 2) return
    const bytes = Buffer.concat(held)
    const begun = next > size ? starts.pop() : undefined
    const end = begun === undefined ? next : begun - 2 - kindAndLength
    const rest = bytes.subarray(end)
    ready.push({ bytes: bytes.subarray(0, end), starts })
    readyBytes += end
    held = rest.length === 0 ? [] : [rest]
    size = rest.length
    next -= end
    starts = begun === undefined ? [] : [begun - end]
    wake?.()
  }

  function handBack(): void {
    const bytes = Buffer.concat(held)
    const rest = bytes.subarray(next)
    ready.push({ bytes: bytes.subarray(0, next), starts })
    readyBytes += next
    starts = []
    held = []
    if (stream === undefined || toPg === undefined) return
    stream.removeListener('data', onData)
    stream.on('data', toPg)
    toPg(rest)
    wake?.()
  }

  function end(error?: Error): void {
    over ??= error === undefined ? {} : { error }
    wake?.()
  }

  const reader = {
    submit(connection: Connection) {
      stream = connection.stream
      toPg = stream.listeners('data')[0] as (chunk: Buffer) => void
      stream.removeListener('data', toPg)
      stream.on('data', onData)
      connection.query(text)
    },
    handleError: (error: Error): void => end(error),
    handleCommandComplete: (): void => undefined,
    handleReadyForQuery: (): void => end(),
    async next() {
      for (;;) {
        if (over?.error !== undefined) throw over.error
        const piece = ready.shift()
        if (piece !== undefined) {
          readyBytes -= piece.bytes.length
          if (readyBytes < most) stream?.resume()
          return piece
        }
        if (over !== undefined) return undefined
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
    },
  }
  return reader
}
