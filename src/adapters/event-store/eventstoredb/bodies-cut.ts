import type { BodyPlace } from './decoded.ts'

/** Where a body's bytes are: which of the blobs cut, from where, how many. */
export type Piece = readonly [blob: number, offset: number, length: number]

export type Cut = { readonly blobs: readonly Uint8Array<ArrayBuffer>[]; readonly places: readonly (readonly Piece[])[] }

/**
 * How bodies become events of a raw stream: small ones share a blob, so that a flood of them costs the server few events; what is bigger has blobs of its
 * own, split where an append could not take it whole.
 */
export function cutBodies(bodies: readonly Uint8Array[], { shared, piece }: { shared: number; piece: number }): Cut {
  const parts: Uint8Array[][] = []
  let room = 0
  const places = bodies.map((body): readonly Piece[] => {
    if (body.byteLength > Math.min(shared, piece)) {
      room = 0
      const pieces: Piece[] = []
      for (let at = 0; at < body.byteLength; at += piece) {
        const part = body.subarray(at, at + piece)
        pieces.push([parts.push([part]) - 1, 0, part.byteLength])
      }
      return pieces
    }
    if (parts.length === 0 || room < body.byteLength) {
      parts.push([])
      room = Math.min(shared, piece)
    }
    const blob = parts.length - 1
    const offset = Math.min(shared, piece) - room
    parts[blob]?.push(body)
    room -= body.byteLength
    return [[blob, offset, body.byteLength]]
  })
  return { blobs: parts.map(joined), places }
}

/** The blobs of one append each: as many as it may weigh, in order. */
export function appendsOf(blobs: readonly Uint8Array<ArrayBuffer>[], most: number): Uint8Array<ArrayBuffer>[][] {
  const appends: Uint8Array<ArrayBuffer>[][] = []
  let weight = Infinity
  for (const blob of blobs) {
    if (weight + blob.byteLength > most) {
      appends.push([])
      weight = 0
    }
    appends.at(-1)?.push(blob)
    weight += blob.byteLength
  }
  return appends
}

export const placeOf = (shard: number, pieces: readonly Piece[], revisions: readonly number[]): BodyPlace => [
  shard,
  ...pieces.map(([blob, offset, length]) => [revisions[blob] ?? 0, offset, length] as const),
]

/** Not a Buffer: the client's messages take nothing but a plain Uint8Array. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}
