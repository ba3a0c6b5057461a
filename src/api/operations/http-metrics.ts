import { Histogram, type Registry } from 'prom-client'
import type { AppDeps } from '../http/app.ts'

/** How long requests take, by route pattern: `recado_http_request_seconds`. */
export function httpMetrics(registry: Registry): NonNullable<AppDeps['onAnswer']> {
  const seconds = new Histogram({
    name: 'recado_http_request_seconds',
    help: 'Time from the request to the end of its answer',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  })
  return ({ method, route, status, seconds: took }) => seconds.observe({ method, route, status: String(status) }, took)
}
