import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../commands/ports/cloud-api.ts'
import { countingSends } from './counted-calls.ts'

describe('the counter of calls to the provider', () => {
  it('tells outcomes and classes of errors, and changes nothing', async () => {
    const registry = new Registry()
    const answers: SendOutcome[] = [
      { outcome: 'accepted', providerId: 'wamid.1' },
      { outcome: 'rejected', error: { code: 130429, status: 400, message: 'slow down' } },
      { outcome: 'rejected', error: { code: 190, status: 401, message: 'expired' } },
      { outcome: 'unknown', reason: 'reset' },
    ]
    const nothing: SendOutcome = { outcome: 'not_sent', reason: 'no more answers' }
    const rest = [...answers]
    const api = countingSends(registry)({ send: async () => rest.shift() ?? nothing, other: 7 })
    for (const answer of answers) expect(await api.send()).toEqual(answer)
    expect(api.other).toBe(7)
    const text = await registry.metrics()
    expect(text).toContain('recado_provider_sends_total{outcome="accepted",error_class="none"} 1')
    expect(text).toContain('recado_provider_sends_total{outcome="rejected",error_class="backoff"} 1')
    expect(text).toContain('recado_provider_sends_total{outcome="rejected",error_class="credentials"} 1')
    expect(text).toContain('recado_provider_sends_total{outcome="unknown",error_class="none"} 1')
  })
})
