import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/adapters/embedded-postgres/start.ts'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'
import { createDeliveries, wamidOf } from '../perf/load/generator.ts'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
const outageMs = Number(process.env['OUTAGE_MS'] ?? 12_000)

let dataDir: string
let postgres: EmbeddedPostgres
let installation: Installation
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'recado-outage-'))
  chmodSync(dataDir, 0o755)
  postgres = await startEmbeddedPostgres({ dataDir, log: quiet })
  installation = await createInstallation({ server: postgres.url })
})
afterAll(async () => {
  await installation.end()
  await postgres.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

it('answers 503 while PostgreSQL is away, recovers by itself, and has everything it acknowledged', async () => {
  const { recado, phoneNumberId, get } = installation
  const deliver = createDeliveries({ secret: appSecret, phoneNumberId, customers: 40, run: 'outage' })
  const acknowledged = new Set<number>()
  const statuses = { during: new Map<number, number>(), slowest: 0 }
  let away = false
  const pouring = new AbortController()
  let next = 0

  const lane = async (): Promise<void> => {
    while (!pouring.signal.aborted) {
      const n = next++
      const { body, signature } = deliver(n)
      const wasAway = away
      const began = performance.now()
      const answer = await fetch(`${recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': `sha256=${signature}` } })
      await answer.arrayBuffer()
      if (answer.status === 200) acknowledged.add(n)
      if (wasAway && away) {
        statuses.during.set(answer.status, (statuses.during.get(answer.status) ?? 0) + 1)
        statuses.slowest = Math.max(statuses.slowest, performance.now() - began)
      }
      if (answer.status === 503) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      await sleep(answer.status === 200 ? 5 : 100)
    }
  }
  const lanes = Array.from({ length: 16 }, lane)
  const patiently = async (enough: () => boolean): Promise<void> => {
    for (let tries = 0; !enough() && tries < 1_200; tries++) await sleep(100)
  }
  await patiently(() => acknowledged.size > 100)
  await postgres.stop()
  away = true
  await sleep(outageMs)
  // Every lane was answered at least twice while it was away, however busy this machine is.
  await patiently(() => [...statuses.during.values()].reduce((sum, count) => sum + count, 0) >= 2 * lanes.length)
  away = false
  postgres = await startEmbeddedPostgres({ dataDir, log: quiet })
  const before = acknowledged.size
  await patiently(() => acknowledged.size >= before + 50)
  pouring.abort()
  await Promise.all(lanes)

  expect([...statuses.during.keys()]).toEqual([503])
  // 4 s by our own clock; Meta gives up after some 20.
  expect(statuses.slowest).toBeLessThan(20_000)
  expect(acknowledged.size).toBeGreaterThanOrEqual(before + 50)

  const received = new Set<string>()
  for (let calm = 0, tries = 0; calm < 3 && tries < 3_000; tries++) {
    const progress = await get<{ lag_events: number | null }[]>('/v1/projections').catch(() => [])
    calm = progress.length > 0 && progress.every(({ lag_events: lag }) => lag === 0) ? calm + 1 : 0
    await sleep(100)
  }
  for (let cursor = ''; ;) {
    const page: { data: { data: { provider_id: string } }[]; next_cursor: string | null } = await get(
      `/v1/events?type=MessageReceived&limit=200${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    )
    for (const { data } of page.data) {
      expect(received.has(data.provider_id)).toBe(false)
      received.add(data.provider_id)
    }
    if (page.next_cursor === null) break
    cursor = page.next_cursor
  }
  for (const n of acknowledged) expect(received).toContain(wamidOf('outage', n))
})
