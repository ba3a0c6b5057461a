import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendsOf, cutBodies } from './bodies-cut.ts'

const sizes = { shared: 64, piece: 100 }

const readBack = ({ blobs, places }: ReturnType<typeof cutBodies>): number[][] =>
  places.map((pieces) => pieces.flatMap(([blob, offset, length]) => [...(blobs[blob]?.subarray(offset, offset + length) ?? [])]))

describe('cutting bodies into blobs', () => {
  it('gives every body back, whatever their sizes are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 350 }), { maxLength: 20 }), (bodies) => {
        const cut = cutBodies(bodies, sizes)
        expect(readBack(cut)).toEqual(bodies.map((body) => [...body]))
        for (const blob of cut.blobs) expect(blob.byteLength).toBeLessThanOrEqual(sizes.piece)
        for (const append of appendsOf(cut.blobs, sizes.piece)) {
          expect(append.reduce((sum, blob) => sum + blob.byteLength, 0)).toBeLessThanOrEqual(sizes.piece)
        }
        expect(appendsOf(cut.blobs, sizes.piece).flat()).toEqual(cut.blobs)
      }),
    )
  })

  it('lets small bodies share a blob and splits what no append could take whole', () => {
    const cut = cutBodies(
      [10, 20, 30, 40, 250, 5].map((length) => new Uint8Array(length)),
      sizes,
    )
    expect(cut.blobs.map((blob) => blob.byteLength)).toEqual([60, 40, 100, 100, 50, 5])
    expect(cut.places[4]).toEqual([
      [2, 0, 100],
      [3, 0, 100],
      [4, 0, 50],
    ])
  })

  it('knows the place of a body of no bytes', () => {
    expect(cutBodies([new Uint8Array(0)], sizes).places).toEqual([[[0, 0, 0]]])
  })
})
