import { expect, it } from 'vitest'
import { clusterSweep } from './cluster.ts'

it('leaves with several processes, of which one is killed every few seconds, what a single one would have left', async () => {
  const server = process.env['RECADO_TEST_POSTGRES']
  const report = await clusterSweep({
    until: { ends: 4 },
    everyMs: 2_000,
    seed: 20_261_122,
    ...(server === undefined ? {} : { server }),
    log: console.log,
  })
  console.log(JSON.stringify(report))
  expect(report.wrong).toEqual([])
  expect(report.kills + report.restarts).toBe(4)
  expect(report.acknowledged).toBeGreaterThan(100)
})
