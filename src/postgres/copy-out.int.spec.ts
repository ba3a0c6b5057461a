import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../tests/support/database.ts'
import { copyOut } from './copy-out.ts'
import { createPool } from './pool.ts'

describe('rows by COPY', () => {
  let home: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    home = await freshDatabase()
    pool = createPool({ url: home.url, role: 'owner', max: 1, name: 'copy', pipeline: false, statementTimeoutMs: 0 })
  })
  afterAll(async () => {
    await pool.end()
    await home.drop()
  })

  async function texts(query: string, pieceBytes: number): Promise<{ rows: string[]; pieces: number }> {
    const rows: string[] = []
    let pieces = 0
    for await (const { bytes, starts } of copyOut(pool, query, { pieceBytes })) {
      pieces++
      for (const at of starts) rows.push(bytes.toString('utf8', at + 4, at + 4 + bytes.readInt32BE(at)))
    }
    return { rows, pieces }
  }

  it('come whole and in their order, however they lie in the pieces and in what the socket gives', async () => {
    // Of every length around the sizes of pieces, and some that are longer than several.
    const query = `select n || ':' || repeat('x', (n * 37) % 997 + case when n % 211 = 0 then 300000 else 0 end) from generate_series(1, 3000) n`
    const expected = (await pool.query<{ row: string }>(`select row from (${query}) as rows (row)`)).rows.map(({ row }) => row)
    for (const pieceBytes of [1, 100, 65_536, 1 << 20]) {
      const { rows, pieces } = await texts(query, pieceBytes)
      expect(rows).toEqual(expected)
      expect(pieces).toBeGreaterThan(1)
    }
  })

  it('are none of an empty query, and the connection goes on', async () => {
    expect(await texts('select 1 where false', 100)).toEqual({ rows: [], pieces: 0 })
    expect((await pool.query<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('end with the error of the server, in the beginning and in the middle, and the next one finds a connection', async () => {
    await expect(texts('select nothing', 100)).rejects.toThrow('column "nothing" does not exist')
    await expect(texts('select (1 / (50000 - n))::text from generate_series(1, 60000) n', 1_000)).rejects.toThrow('division by zero')
    expect((await texts(`select 'on'`, 100)).rows).toEqual(['on'])
  })

  it('are left in the middle without harm to who comes next, also when the server was made to wait', async () => {
    for await (const { starts } of copyOut(pool, `select repeat('x', 1000) from generate_series(1, 50000)`, { pieceBytes: 1_000 })) {
      expect(starts.length).toBeGreaterThan(0)
      break
    }
    expect((await texts(`select 'on'`, 100)).rows).toEqual(['on'])
  })
})
