import { expect, it } from 'vitest'
import { packRows } from './packed-rows.ts'
import type { AnyRow, Projection } from './projection.ts'

const projection: Projection = {
  name: 'packed',
  version: 1,
  handles: [],
  table: {
    columns: { id: 'text', of: 'uuid', note: 'json', n: 'int4', place: 'int8', on: 'bool', at: 'timestamptz', bytes: 'bytea' },
    indexes: [],
  },
  key: () => undefined,
  fold: () => undefined,
}
const tenantId = '0197c0de-0000-7000-8000-000000000001'
const { pack, unpack } = packRows(projection, 'nowhere')

it('gives every row back as it was, with what is missing as null', () => {
  const full: AnyRow = {
    id: 'né 🏡',
    of: '0197c0de-0000-7000-8000-00000000abcd',
    note: '{"a":"\\u0000 é"}',
    n: -2_147_483_648,
    place: '9223372036854775807',
    on: true,
    at: new Date('1969-12-31T23:59:59.999Z'),
    bytes: Buffer.from([0, 127, 128, 255]),
  }
  const empty: AnyRow = { id: '', of: null, note: null, n: null, place: null, on: null, at: null, bytes: null }
  const rows = [full, empty, { ...full, id: 'x'.repeat(300_000), on: false, place: '-1', at: new Date('2026-11-23T12:00:00.123Z') }]
  const packed = rows.map((row) => pack(tenantId, row))
  expect(packed.map(unpack)).toEqual(rows)
  expect(unpack(pack(tenantId, { id: 'only' }))).toEqual({ ...empty, id: 'only' })
})

it('refuses what PostgreSQL would refuse', () => {
  expect(() => pack(tenantId, { id: 'a', of: 'no uuid' })).toThrow(TypeError)
  expect(() => pack(tenantId, { id: 'a', at: new Date(Number.NaN) })).toThrow(TypeError)
})
