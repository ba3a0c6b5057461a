import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { positionOf } from '../../domain/kernel/position.ts'
import { createPool } from '../../postgres/pool.ts'
import { createAppliedNews, hearAppliedNews } from './applied-news.ts'
import type { Applied } from './live.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(async () => database.drop())

it('tells other processes how far read models are, the latest only, and nobody when nobody is there', async () => {
  const ended = new AbortController()
  const pool = createPool({ url: database.url, role: 'recado_worker', max: 2, name: 'news' })
  const heard: Applied[] = []
  hearAppliedNews(database.url, { heard: (one) => heard.push(one), signal: ended.signal })
  let others = false
  const news = createAppliedNews({ pool, others: () => others })
  news.tell({ projection: 'nobody hears', position: positionOf(1) })
  others = true
  // Until the other one listens; what comes before is lost, as it may be.
  let nth = 100
  await expect
    .poll(() => {
      news.tell({ projection: 'messages', position: positionOf(++nth) })
      return heard.length
    })
    .toBeGreaterThan(0)
  for (const n of [1_001, 1_002, 1_003]) news.tell({ projection: 'contacts', position: positionOf(n) })
  await expect
    .poll(() => heard.filter(({ projection }) => projection === 'contacts'))
    .toEqual([{ projection: 'contacts', position: positionOf(1_003) }])
  expect(heard.some(({ projection }) => projection === 'nobody hears')).toBe(false)
  // Whatever else is said on the channel is no news.
  for (const text of ['nonsense', '[]', '{"messages": 7}', '{"messages": "-1"}']) await pool.query(`select pg_notify('es_applied', $1)`, [text])
  news.tell({ projection: 'last', position: positionOf(5) })
  await expect.poll(() => heard.at(-1)).toEqual({ projection: 'last', position: positionOf(5) })
  expect(heard.every(({ position }) => position >= positionOf(5))).toBe(true)
  ended.abort()
  await pool.end()
})
