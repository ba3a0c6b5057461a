import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { binaryArray, type ArrayElement, type ArrayType } from './binary-array.ts'

let database: TestDatabase
let client: Client
beforeAll(async () => {
  database = await freshDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

const uuid = '0197c0de-0000-7000-8000-00000000ab01'
const columns: { [T in ArrayType]: readonly (ArrayElement[T] | null)[] } = {
  uuid: [uuid, null, 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  text: ['', null, 'ñ 😀 "quoted" {braces}, \\ and NULL'],
  int4: [0, null, -2_147_483_648, 2_147_483_647],
  int8: ['0', null, '-9223372036854775808', '9223372036854775807'],
  bool: [true, null, false],
  timestamptz: [new Date(0), null, new Date('2026-02-28T23:59:59.999Z'), new Date('1969-07-20T20:17:40.001Z'), new Date(8.64e15 / 100)],
  json: ['{"a":[1,null,"\\u0000"]}', null, '"x"'],
  bytea: [Buffer.from([0, 255, 1]), null, Buffer.alloc(0)],
}

it.each(Object.keys(columns) as ArrayType[])('PostgreSQL reads a binary array of %s as it was meant', async (type) => {
  const cast = type === 'json' ? 'v::text' : 'v'
  const { rows } = await client.query<{ v: unknown }>(`select ${cast} as v from unnest($1::${type}[]) with ordinality u(v, nth) order by nth`, [
    binaryArray(type, columns[type] as never),
  ])
  expect(rows.map((row) => row.v)).toEqual(columns[type])
})

it('PostgreSQL reads an empty binary array as empty', async () => {
  const { rows } = await client.query<{ n: number }>('select cardinality($1::text[]) as n', [binaryArray('text', [])])
  expect(rows[0]?.n).toBe(0)
})
