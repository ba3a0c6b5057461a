import { Gauge } from 'prom-client'
import { expect, it } from 'vitest'
import { createPatientRegistry } from './patient-registry.ts'

it('leaves out a figure that cannot be had, or not in time, and shows the others', async () => {
  const registry = createPatientRegistry()
  let away = false
  const gauge = (name: string, collect: (this: Gauge) => void | Promise<void>): void =>
    registry.registerMetric(new Gauge({ name, help: name, registers: [], collect }))
  gauge('there', function () {
    this.set(1)
  })
  gauge('broken', async function () {
    if (away) throw new Error('away')
    this.set(2)
  })
  gauge('silent', async function () {
    if (away) await new Promise(() => undefined)
    this.set(3)
  })
  expect(await registry.metrics()).toMatch(/there 1[^]*broken 2[^]*silent 3/)
  away = true
  const without = await registry.metrics()
  expect(without).toContain('there 1')
  expect(without).toMatch(/broken Nan[^]*silent Nan/i)
})
