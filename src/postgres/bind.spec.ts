import fc from 'fast-check'
import { Writable } from 'node:stream'
import { Connection, type ConnectionConfig } from 'pg'
import { describe, expect, it } from 'vitest'
import { bindMessage } from './bind.ts'

type Bind = Parameters<typeof bindMessage>[0]

/** The message as pg itself sends it. */
function asPgSends(bind: Bind): Buffer {
  const sent: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      done()
    },
  })
  const connection = new Connection({ stream } as unknown as ConnectionConfig)
  connection.bind(bind as never, false)
  return Buffer.concat(sent)
}

const parameter = fc.oneof(
  fc.constantFrom(null, undefined),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 8_000, max: 9_000 }).map((length) => Buffer.alloc(length, length)),
  fc.integer({ min: 8_000, max: 9_000 }).map((length) => 'ñ'.repeat(length)),
)

describe('the parameters of a statement', () => {
  it('are byte for byte the message that pg would send', () => {
    fc.assert(
      fc.property(fc.array(parameter, { maxLength: 20 }), fc.string({ unit: 'grapheme-ascii' }), fc.boolean(), (values, statement, binary) => {
        const bind = { statement, values, binary }
        expect(Buffer.concat(bindMessage(bind)).equals(asPgSends(bind))).toBe(true)
      }),
    )
  })
  it('are mapped before they are written', () => {
    const bind = { values: [1, 2], valueMapper: (value: unknown, index: number) => `${String(value)}@${index}` }
    expect(Buffer.concat(bindMessage(bind)).equals(asPgSends(bind))).toBe(true)
  })
  it('are not copied where they are large', () => {
    const large = Buffer.alloc(100_000)
    const pieces = bindMessage({ statement: 'es.append', values: [Buffer.alloc(10), large, 'text', large] })
    expect(pieces.filter((piece) => piece === large)).toHaveLength(2)
    expect(pieces.reduce((bytes, piece) => bytes + (piece === large ? 0 : piece.length), 0)).toBeLessThan(100)
  })
})
