import { z } from 'zod'
import type { Registry } from 'prom-client'
import { ok, sent, type Answer } from '../http/call.ts'
import { route, type Route } from '../http/route.ts'

/** Undefined when all is well, else what is wrong, in a few words without secrets. */
export type Check = () => Promise<string | undefined>

export type OperationsDeps = {
  /** By name: `database`, `store`, `appends`, `projections`, `intake`. */
  readonly checks: Readonly<Record<string, Check>>
  readonly metrics: Pick<Registry, 'metrics' | 'contentType'>
  readonly version: string
  /** Of the log, as people say it. */
  readonly engine: string
}

const tag = 'Operations'
/** A probe waits a second or two at most: one that hangs says no more than one that failed. */
const checkMs = 1_500

const healthSchema = z.object({ status: z.literal('ok'), version: z.string(), event_store: z.string(), uptime_seconds: z.int() })
const readySchema = z.object({ status: z.enum(['ready', 'not_ready']), checks: z.record(z.string(), z.string()) })

/** Process up; ready to serve; numbers about it. Public and free of data about anybody: they are for the machine room. */
export function operationsRoutes({ checks, metrics, version, engine }: OperationsDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/healthz',
      tag,
      access: 'public',
      summary: 'The process runs',
      responses: { 200: { description: 'It does', schema: healthSchema } },
      handle: () => ok({ status: 'ok', version, event_store: engine, uptime_seconds: Math.floor(process.uptime()) }),
    }),
    route({
      method: 'get',
      path: '/readyz',
      tag,
      access: 'public',
      summary:
        'Database, log and read models are there and caught up, the intake has been near the head of the log since the start, and the last append was not refused',
      responses: { 200: { description: 'Ready', schema: readySchema }, 503: { description: 'Not ready', schema: readySchema } },
      async handle({ res }): Promise<Answer> {
        const found = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await inTime(check)] as const))
        const ready = found.every(([, wrong]) => wrong === undefined)
        if (!ready) res.set('Retry-After', '5')
        const body = { status: ready ? 'ready' : 'not_ready', checks: Object.fromEntries(found.map(([name, wrong]) => [name, wrong ?? 'ok'])) }
        return { status: ready ? 200 : 503, body }
      },
    }),
    route({
      method: 'get',
      path: '/metrics',
      tag,
      access: 'public',
      summary: 'Numbers for Prometheus',
      responses: { 200: { description: 'Text exposition format', schema: z.string(), contentType: 'text/plain' } },
      async handle({ res }): Promise<typeof sent> {
        const text = await metrics.metrics()
        res.set('Content-Type', metrics.contentType)
        res.end(text)
        return sent
      },
    }),
  ]
}

async function inTime(check: Check): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, checkMs, `no answer within ${checkMs} ms`)
  try {
    return await Promise.race([check(), late])
  } catch {
    // What broke is in the log of whoever broke; a probe is public.
    return 'failed'
  } finally {
    clearTimeout(timer)
  }
}
