import { describe, expect, it } from 'vitest'
import { binaryArray } from './binary-array.ts'

const hex = (buffer: Buffer): string => buffer.toString('hex')
const header = (nulls: number, oid: number, length: number): string =>
  [1, nulls, oid, length, 1].map((value) => value.toString(16).padStart(8, '0')).join('')

describe('an array in the binary format of PostgreSQL', () => {
  it('opens with dimensions, null flag, element type, length and lower bound', () => {
    expect(hex(binaryArray('int4', [7, -1]))).toBe(`${header(0, 23, 2)}000000040000000700000004ffffffff`)
  })
  it('marks nulls in the header and by length -1', () => {
    expect(hex(binaryArray('bool', [true, null, undefined]))).toBe(`${header(1, 16, 3)}0000000101ffffffffffffffff`)
  })
  it('writes a uuid as sixteen bytes, whatever the case of its digits', () => {
    const bytes = '0197c0de-0000-7000-8000-00000000ab01'.replaceAll('-', '')
    expect(hex(binaryArray('uuid', ['0197C0DE-0000-7000-8000-00000000AB01']))).toBe(`${header(0, 2950, 1)}00000010${bytes}`)
  })
  it.each([
    '',
    'x',
    '0197c0de00007000800000000000ab01',
    '0197c0de-0000-7000-8000-00000000ab0',
    '0197c0de-0000-7000-8000-00000000ab012',
    '0197c0de-0000-7000-8000-00000000abég',
  ])('refuses %j as a uuid', (text) => {
    expect(() => binaryArray('uuid', [text])).toThrow('is not a uuid')
  })
  it('counts text in bytes, not in characters', () => {
    expect(hex(binaryArray('text', ['né😀']))).toBe(`${header(0, 25, 1)}000000076ec3a9f09f9880`)
  })
  it('replaces U+0000 in text, which PostgreSQL cannot store', () => {
    expect(hex(binaryArray('text', ['a\0b']))).toBe(hex(binaryArray('text', ['a\uFFFDb'])))
  })
  it('writes timestamps as microseconds since 2000', () => {
    const data = binaryArray('timestamptz', [new Date('2000-01-01T00:00:00.001Z'), new Date('1999-12-31T23:59:59.999Z')])
    expect(data.readBigInt64BE(24)).toBe(1000n)
    expect(data.readBigInt64BE(36)).toBe(-1000n)
  })
  it('writes every moment to the microsecond, also where a number has not enough digits for them', () => {
    const exact = 9_007_199_254_740
    const moments = [0, 1, -1, exact, exact + 1, -exact, -exact - 1, 8.64e15, -8.64e15, 946_684_799_999, 1_790_000_000_123]
    const data = binaryArray(
      'timestamptz',
      moments.map((moment) => new Date(moment)),
    )
    expect(moments.map((_, nth) => data.readBigInt64BE(24 + 12 * nth))).toEqual(
      moments.map((moment) => BigInt(moment) * 1000n - 946_684_800_000_000n),
    )
  })
  it('refuses an invalid date and a number that does not fit', () => {
    expect(() => binaryArray('timestamptz', [new Date(Number.NaN)])).toThrow('invalid date')
    expect(() => binaryArray('int4', [1.5])).toThrow('not an int4')
    expect(() => binaryArray('int4', [2 ** 31])).toThrow('out of range')
    for (const value of [1.5, '1.5', '1e3', 'x']) expect(() => binaryArray('int8', [value])).toThrow()
  })
  it('writes an int8 from a bigint, a number or decimal text', () => {
    const data = binaryArray('int8', [-5n, 5, '9223372036854775807', '-999999999999999', -4_294_967_297, '4294967296'])
    expect([24, 36, 48, 60, 72, 84].map((at) => data.readBigInt64BE(at))).toEqual([
      -5n,
      5n,
      9223372036854775807n,
      -999999999999999n,
      -4294967297n,
      4294967296n,
    ])
  })
  it('writes an empty array that PostgreSQL reads as empty', () => {
    expect(hex(binaryArray('bytea', []))).toBe(header(0, 17, 0))
  })
})
