import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'

/** How a call fails: status, the server's words, and the trailers from which the client makes its error. */
export type Refusal = { code: number; details: string; trailers?: Readonly<Record<string, string>> }

/**
 * One gRPC call on a bare HTTP/2 stream. Not @grpc/grpc-js's server: that one neither ends a stream without a status (what a SIGTERM does), nor
 * lets one see the transport's window (what decides when a live subscription is dropped), nor shares its port with HTTP/1.
 */
export type Call = {
  path: string
  headers: IncomingHttpHeaders
  /** Absolute, from `grpc-timeout`; Infinity without. */
  deadline: number
  onMessage: (hear: (message: Uint8Array) => void) => void
  onEnd: (hear: () => void) => void
  /** Closed by either side, for whatever reason; at once when it is already. */
  onClose: (hear: () => void) => void
  send: (message: Uint8Array) => void
  /** Ends with status 0. */
  finish: () => void
  refuse: (refusal: Refusal) => void
  /** RST_STREAM, no status. */
  abort: (code?: number) => void
  /** The whole connection, by TCP reset. */
  cutConnection: () => void
  isOpen: () => boolean
  writable: () => boolean
  whenWritable: (then: () => void) => void
}

/** The HTTP/2 window of a client that reads: what is under way beyond it waits in the server. */
const WINDOW = 65_535
/** Kestrel's limit for one message is that of one log record, a little under 16 MiB. */
const LARGEST_MESSAGE = 16 * 1024 * 1024
const kestrel = (): OutgoingHttpHeaders => ({ ':status': 200, 'content-type': 'application/grpc', server: 'Kestrel' })

/** What goes in and out of all calls passes here, so that it can be held: see server.ts, `freeze`. */
export function createGate() {
  let held: (() => void)[] | undefined
  return {
    pass(step: () => void): void {
      if (held) held.push(step)
      else step()
    },
    shut(): void {
      held ??= []
    },
    open(): void {
      const steps = held ?? []
      held = undefined
      for (const step of steps) step()
    },
  }
}
type Gate = ReturnType<typeof createGate>

export function createCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { reset, gate }: { reset: () => void; gate: Gate }): Call {
  let underWay = 0
  let answered = false
  let over = false
  let waiting: (() => void)[] = []
  const respond = (): void => {
    if (answered || stream.destroyed) return
    answered = true
    stream.respond(kestrel(), { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers)
    })
  }
  let trailers: OutgoingHttpHeaders = { 'grpc-status': '0' }
  const drained = (): void => {
    if (underWay >= WINDOW) return
    const hear = waiting
    waiting = []
    for (const then of hear) then()
  }
  // A cancellation leaves its code on the stream before any event tells of it.
  const isOpen = (): boolean => !over && !stream.destroyed && !stream.closed && (stream.rstCode ?? 0) === 0
  stream.on('error', () => undefined)
  stream.on('aborted', () => {
    over = true
  })

  const call: Call = {
    path: headers[':path'] ?? '',
    headers,
    deadline: deadlineOf(headers['grpc-timeout']),
    onMessage: (hear) =>
      decode(stream, hear, () => call.refuse({ code: 8, details: 'Received message exceeds the maximum configured message size.' })),
    onEnd: (hear) => void stream.on('end', () => gate.pass(hear)),
    onClose: (hear) => void (stream.destroyed ? hear() : stream.on('close', hear)),
    send(message) {
      if (!isOpen()) return
      respond()
      const frame = Buffer.allocUnsafe(5 + message.length)
      frame[0] = 0
      frame.writeUInt32BE(message.length, 1)
      frame.set(message, 5)
      underWay += frame.length
      gate.pass(() =>
        stream.write(frame, () => {
          underWay -= frame.length
          drained()
        }),
      )
    },
    finish() {
      if (!isOpen()) return
      over = true
      respond()
      gate.pass(() => void stream.end())
    },
    refuse({ code, details, trailers: more = {} }) {
      if (!isOpen()) return
      over = true
      const status = { 'grpc-status': String(code), 'grpc-message': percentEncoded(details), ...more }
      gate.pass(() => {
        if (stream.destroyed) return
        if (answered) {
          trailers = status
          stream.end()
        } else {
          answered = true
          stream.respond({ ...kestrel(), 'content-length': '0', ...status }, { endStream: true })
        }
        stream.resume()
      })
    },
    abort(code = constants.NGHTTP2_NO_ERROR) {
      over = true
      const close = (): void => {
        if (stream.destroyed) return
        if (underWay > 0) setImmediate(close)
        else stream.close(code)
      }
      // What was sent before goes out first: a reset frame overtakes data.
      close()
    },
    cutConnection() {
      over = true
      reset()
    },
    isOpen,
    writable: () => underWay < WINDOW,
    whenWritable(then) {
      waiting.push(then)
      if (underWay < WINDOW) setImmediate(drained)
    },
  }
  return call
}

/** grpc-message: all but printable ASCII, and the percent sign itself, per byte. */
const percentEncoded = (text: string): string =>
  [...Buffer.from(text, 'utf8')]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }
function deadlineOf(timeout: string | string[] | undefined): number {
  const [, amount, unit = ''] = /^(\d+)([HMSmun])$/.exec(String(timeout)) ?? []
  return amount === undefined ? Infinity : Date.now() + Number(amount) * (UNITS[unit] ?? 1)
}

function decode(stream: ServerHttp2Stream, hear: (message: Uint8Array) => void, tooLarge: () => void): void {
  let parts: Buffer[] = []
  let held = 0
  let refused = false
  stream.on('data', (part: Buffer) => {
    if (refused) return
    parts.push(part)
    held += part.length
    while (held >= 5) {
      const head = parts[0] && parts[0].length >= 5 ? parts[0] : Buffer.concat(parts)
      const length = head.readUInt32BE(1)
      if (length > LARGEST_MESSAGE) {
        refused = true
        return tooLarge()
      }
      if (held < 5 + length) return
      const whole = parts.length === 1 ? head : Buffer.concat(parts)
      hear(new Uint8Array(whole.buffer, whole.byteOffset + 5, length))
      parts = whole.length > 5 + length ? [whole.subarray(5 + length)] : []
      held -= 5 + length
    }
  })
}
