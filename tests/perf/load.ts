import { loadavg } from 'node:os'

export type Load = { readonly callers: number; readonly warmUpMs: number; readonly ms: number }
export type Measured = { readonly perSecond: number; readonly p50: number; readonly p99: number }

/** Callers that call again as soon as they are answered. Latencies in milliseconds, warm-up left out. */
export async function underLoad({ callers, warmUpMs, ms }: Load, once: (caller: number) => Promise<unknown>): Promise<Measured> {
  const latencies: number[] = []
  const from = performance.now() + warmUpMs
  const until = from + ms
  const call = async (caller: number): Promise<void> => {
    for (let began = performance.now(); began < until;) {
      await once(caller)
      const ended = performance.now()
      if (began >= from && ended < until) latencies.push(ended - began)
      began = ended
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { perSecond: (latencies.length * 1000) / ms, p50: at(0.5), p99: at(0.99) }
}

export type Spread = { readonly median: number; readonly min: number; readonly max: number }

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

export const machineLoad = (): number => loadavg()[0] ?? Number.NaN

/** An event as a conversation has them, some 600 bytes of JSON: a sealed text and the usual metadata. */
export const eventData = (nth: number): { data: Record<string, unknown>; meta: Record<string, unknown> } => ({
  data: {
    messageId: '0197c0de-0000-7000-8000-00000000ab01',
    channelId: '0197c0de-0000-7000-8000-00000000ab02',
    contactId: '0197c0de-0000-7000-8000-00000000ab03',
    providerId: `wamid.HBgNNTQ5MTE1NTU1NTU1NRUCABIYFDNB${nth}`,
    messageType: 'text',
    content: { sealed },
    at: '2026-01-01T12:00:00.000Z',
  },
  meta: {
    occurredAt: '2026-01-01T12:00:00.000Z',
    correlationId: '0197c0de-0000-7000-8000-00000000ab04',
    causationId: '0197c0de-0000-7000-8000-00000000ab05',
    actor: { kind: 'process', id: 'intake' },
  },
})

const sealed = 'QUFBQkJCQ0NDREREEUVFRkZGR0dHSEhISUlJSkpKS0tLTExMTU1NTk5OT09PUFBQ'.repeat(2).slice(0, 110)

/** Streams that callers do not share: who owns a stream knows its version, so every expected version holds. */
export function ownStreams(callers: number, streams: number): (caller: number) => { nth: number; version: number } {
  const each = Math.max(1, Math.ceil(streams / callers))
  const versions = new Int32Array(each * callers)
  return (caller) => {
    const nth = caller * each + Math.floor(Math.random() * each)
    const version = versions[nth] ?? 0
    versions[nth] = version + 1
    return { nth, version }
  }
}
