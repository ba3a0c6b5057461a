import { expect, it } from 'vitest'
import { sweep } from './sweep.ts'

it('loses and doubles nothing that was acknowledged, however often the program is killed', async () => {
  const report = await sweep({ kills: 12, seed: 20_261_122, log: console.log })
  expect(report.wrong).toEqual([])
  expect(report.acknowledged).toBeGreaterThan(100)
})
