import type { NextFunction } from 'express'
import { looksLikeKey } from '../../commands/tenants/secret-key.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { covers } from '../../domain/tenant/keys.ts'
import type { Authenticate, HttpHandler, HttpRequest, HttpResponse, Principal } from './principal.ts'
import { problem, Problem } from './problem.ts'
import type { RateLimits } from './rate-limit.ts'
import { changes, type Route } from './route.ts'

const nobody: Principal = {
  kind: 'nobody',
  tenantId: platformTenant,
  actor: { kind: 'api', id: 'nobody' },
  scopes: [],
  tenantStatus: 'active',
}

/** The credential of a request: `Authorization: Bearer …` or `X-Api-Key`. */
export function credentialOf(req: Pick<HttpRequest, 'get'>): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(req.get('authorization') ?? '')?.[1]
  return bearer ?? req.get('x-api-key')
}

/**
 * Lets a request in or throws why not. Runs before the body is read: nobody without a credential makes us parse a megabyte.
 * Order: credential → rate → tenant → scope → is the tenant open for changes.
 */
export function admit(
  route: Pick<Route, 'access' | 'method' | 'platform' | 'whileInactive'>,
  token: string | undefined,
  tenant: string | undefined,
  authenticate: Authenticate,
): Principal {
  if (route.access === 'public') return nobody
  const principal = token === undefined ? undefined : authenticate(token, tenant)
  if (principal === undefined) throw problem('unauthorized', { headers: { 'WWW-Authenticate': 'Bearer realm="recado"' } })
  if (principal === 'unknown_tenant') throw problem('not_found', 'The header X-Tenant names no organisation of this installation.')
  if (route.access === 'operator') {
    if (principal.kind !== 'operator') throw problem('forbidden', 'Only the platform operator may do this.')
    return { ...principal, tenantId: platformTenant }
  }
  if (route.access === 'authenticated') return principal
  if (principal.tenantId === platformTenant && route.platform !== true) throw problem('tenant_required')
  if (!covers(principal.scopes, route.access)) throw problem('forbidden', `This needs the scope "${route.access}", which the key does not have.`)
  if (changes(route) && route.whileInactive !== true && principal.tenantStatus !== 'active') {
    throw problem('tenant_suspended', `The organisation is ${principal.tenantStatus}: it can read, but not change anything.`)
  }
  return principal
}

/**
 * The gate as Express middleware: leaves the principal in `res.locals`.
 * `newest` resolves when this process knows everybody who is in the log by now: another one may have made the key a moment ago.
 */
export const gate =
  (route: Route, authenticate: Authenticate, limits: RateLimits, newest?: () => Promise<void>): HttpHandler =>
  async (req: HttpRequest, res: HttpResponse, next: NextFunction): Promise<void> => {
    const ip = req.ip ?? 'unknown'
    const token = credentialOf(req)
    const admitted = (): Principal => admit(route, token, req.get('x-tenant'), authenticate)
    let principal: Principal
    try {
      principal = admitted()
    } catch (error) {
      // Only guesses: a key that is refused for its scope, its tenant or the tenant's state is a good one.
      if (!(error instanceof Problem && error.code === 'unauthorized')) throw error
      await limits.countFailure(ip)
      if (newest === undefined || token === undefined || !looksLikeKey(token)) throw error
      await newest()
      principal = admitted()
    }
    await limits.count(principal.kind === 'nobody' ? `ip:${ip}` : `${principal.kind}:${principal.actor.id}`)
    res.locals.principal = principal
    next()
  }
