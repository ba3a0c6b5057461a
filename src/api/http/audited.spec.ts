import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { answering, type AnsweringDeps } from './answering.ts'
import { ok } from './call.ts'
import type { HttpRequest, HttpResponse, Principal } from './principal.ts'
import { route } from './route.ts'

const tenantId = '0197c0de-0000-7000-8000-000000000001'
const key: Principal = { kind: 'key', tenantId, actor: { kind: 'api', id: 'k' }, scopes: ['*'], tenantStatus: 'active' }
const operator: Principal = { kind: 'operator', tenantId, actor: { kind: 'operator', id: 'operator' }, scopes: ['*'], tenantStatus: 'active' }

/** One request to a route that shows something sealed, with a trail that is told when to store. */
function request({ principal = key, audited = true }: { principal?: Principal; audited?: boolean } = {}) {
  const seen: string[] = []
  const trail = Promise.withResolvers<undefined>()
  const note = (what: string, of: { ip?: string }) => {
    seen.push(`${what} from ${of.ip}`)
    return trail.promise
  }
  const shows = route({
    method: 'get',
    path: '/v1/secrets/{id}',
    tag: 'Test',
    summary: 'Shows something',
    access: 'deliveries:read',
    responses: { 200: { description: 'It' } },
    ...(audited ? { audited: () => ({ what: 'delivery_read' as const }) } : {}),
    handle() {
      seen.push('read')
      return ok({ secret: 'words' })
    },
  })
  const deps: AnsweringDeps = {
    idempotency: { claim: async () => 'mine', keep: async () => undefined, release: async () => undefined },
    readAfter: async () => true,
    clock: () => new Date('2026-01-01T12:00:00Z'),
    audit: {
      recordAccess: ({ request }, context) => note(request, context),
      recordVisit: (visited, context) => note(`visit ${visited}`, context),
      sealAddress: async (address) => `sealed ${address}`,
    },
  }
  const res = {
    locals: { requestId: 'req-1', principal },
    status: () => res,
    set: () => res,
    end: (body: string) => void seen.push(`answered ${body}`),
  } as unknown as HttpResponse
  const req = { get: () => undefined, params: {}, query: {}, ip: '192.0.2.7' } as unknown as HttpRequest
  return { seen, trail, answered: Promise.resolve(answering(shows, deps)(req, res, () => undefined)) }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a read that goes on record', () => {
  it('is done beside its entry, and answered when the entry is durable', async () => {
    const { seen, trail, answered } = request()
    await settled()
    expect(seen).toEqual(['GET /v1/secrets/{id} from sealed 192.0.2.7', 'read'])
    trail.resolve(undefined)
    await answered
    expect(seen).toContain('answered {"secret":"words"}')
  })
  it('shows nothing when the entry cannot be stored', async () => {
    const { seen, trail, answered } = request()
    trail.reject(new StoreUnavailable('connection', 'away'))
    await expect(answered).rejects.toThrow(StoreUnavailable)
    expect(seen.join()).not.toContain('answered')
  })
  it('is every one of the operator within an organisation', async () => {
    const { seen, trail, answered } = request({ principal: operator, audited: false })
    trail.resolve(undefined)
    await answered
    expect(seen[0]).toBe('visit GET /v1/secrets/{id} from sealed 192.0.2.7')
  })
  it('is none of what the operator does without an organisation, nor a read of nothing sealed', async () => {
    for (const principal of [key, { ...operator, tenantId: platformTenant }]) {
      const { seen, answered } = request({ principal, audited: false })
      await answered
      expect(seen).toEqual(['read', 'answered {"secret":"words"}'])
    }
  })
})
