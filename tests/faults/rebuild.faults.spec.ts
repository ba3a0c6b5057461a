import { describe, expect, it } from 'vitest'
import { killRebuilds } from './rebuild-kills.ts'

describe('a rebuild whose process is killed, again and again, its switch included', () => {
  it('ends with every row as the log says, nothing left over, and no read that failed', async () => {
    const kills = Number(process.env['RECADO_REBUILD_KILLS'] ?? 6)
    const report = await killRebuilds({ server: process.env['RECADO_TEST_POSTGRES'] ?? '', kills, seed: Date.now() % 100_000 })
    expect(report).toMatchObject({ kills, wrong: [] })
    expect(report.rebuilds).toBeGreaterThan(1)
    expect(report.reads).toBeGreaterThan(10)
  })
})
