import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { startDemo } from '../support/demo.ts'
import { startDoubleProcess, type DoubleProcess } from '../support/eventstoredb-double/process.ts'
import { launchRecado, runRecado } from '../support/processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'recado-store-copy-'))
const command = ['store', 'copy', '--from', 'postgres', '--to', 'eventstoredb']
let db: TestDatabase
let server: DoubleProcess
let env: Record<string, string>
beforeAll(async () => {
  db = await freshDatabase()
  server = await startDoubleProcess({ data: join(folder, 'log') })
  env = { DATABASE_URL: db.url, RECADO_DATA_DIR: join(folder, 'data'), RECADO_DEMO: '1', LOG_LEVEL: 'warn', EVENTSTOREDB_URL: server.url }
})
afterAll(async () => {
  await server.stop()
  await db.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** Starts it again until the lease of the killed one has lapsed. */
async function again(...more: string[]): Promise<string> {
  for (;;) {
    const { code, lines } = await runRecado([...command, ...more], env)
    if (code === 0) return lines.join('\n')
    if (!lines.join('\n').includes('Another `recado store copy` is at work')) throw new Error(lines.join('\n'))
    await sleep(1_000)
  }
}

describe('moving a log with kill -9', () => {
  // The command that copies, the engine it copies to, and the switch in its last step. What is acknowledged is there in the end, once and in order.
  it('ends with one log that has everything, whoever was killed', async () => {
    const before = await startDemo({ ...env, EVENT_STORE: 'postgres' })
    for (let nth = 0; nth < 25; nth++) await before.customerWrites(`nº ${nth}`)
    await expect.poll(async () => (await before.list('/v1/deliveries?state=received&limit=1')).length).toBe(0)

    for (const what of ['server', 'copier'] as const) {
      const copier = launchRecado(command, env)
      // Wherever it is by then: starting, copying, comparing.
      await Promise.race([copier.ended, sleep(1_000 + Math.random() * 1_500)])
      if (what === 'copier') await copier.kill()
      else {
        await server.kill()
        await server.start()
        await copier.ended
      }
      await before.customerWrites(`mientras ${what}`)
    }
    expect(await again()).toContain('Both logs hold the same')

    const switching = launchRecado([...command, '--switch'], env)
    await expect.poll(() => switching.lines.join('\n'), { interval: 20 }).toContain('waiting for processes to end')
    await switching.kill()
    expect(await before.ended).toBe(1)
    const status = await runRecado(['store', 'status'], env)
    if (!status.lines.join('\n').includes('The log is on eventstoredb')) expect(await again('--switch')).toContain('The log is on eventstoredb.')

    const there = await startDemo({ ...env, EVENT_STORE: 'eventstoredb' })
    try {
      const texts = await there.texts()
      for (let nth = 0; nth < 25; nth++)
        expect(
          texts.filter((text) => text.includes(`"nº ${nth}"`)),
          `nº ${nth}`,
        ).toHaveLength(1)
      for (const what of ['copier', 'server']) expect(texts.some((text) => text.includes(`mientras ${what}`))).toBe(true)
      expect((await runRecado(['store', 'status'], env)).lines.join('\n')).toMatch(/The log is on eventstoredb.*it is open/)
    } finally {
      await there.stop()
    }
  })
})
