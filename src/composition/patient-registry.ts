import { Registry, type Gauge, type Metric } from 'prom-client'

const answerMs = 1_500

/**
 * A registry whose scrape answers whatever is away: a figure that cannot be had now, or not in time, is left out of it (or not a number), and the others are there.
 * Metrics are wanted most when something is down; one that threw would take all of them with it.
 */
export function createPatientRegistry(): Registry {
  const registry = new Registry()
  const register = registry.registerMetric.bind(registry)
  registry.registerMetric = (metric: Metric) => {
    // What the library keeps of a metric's configuration, and its types do not tell.
    const gauge = metric as Gauge & { collect?: () => unknown; readonly labelNames: readonly string[] }
    const { collect } = gauge
    const without = (): void => {
      gauge.reset()
      // Without labels a reset is a zero, which would say that all is well.
      if (gauge.labelNames.length === 0) gauge.set(Number.NaN)
    }
    if (collect !== undefined) gauge.collect = () => inTime(() => collect.call(gauge), without)
    register(metric)
  }
  return registry
}

async function inTime(collect: () => unknown, without: () => void): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, answerMs, false)
  const there = Promise.try(collect).then(
    () => true,
    () => false,
  )
  try {
    if (!(await Promise.race([there, late]))) without()
  } finally {
    clearTimeout(timer)
  }
}
