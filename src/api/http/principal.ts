import type { NextFunction, Request, Response } from 'express'
import type { Actor } from '../../domain/kernel/envelope.ts'

/**
 * Who asks, and for which tenant. The tenant comes from the credential; only the operator names one, by `X-Tenant`.
 * `tenantId` is the platform tenant for an operator that named none: routes of a tenant refuse it (`tenant_required`).
 */
export type Principal = {
  readonly kind: 'key' | 'operator' | 'nobody'
  readonly tenantId: string
  readonly actor: Actor
  readonly scopes: readonly string[]
  /** Changes are refused while it is not `active`. */
  readonly tenantStatus: 'active' | 'suspended' | 'closed'
}

/** What the foundation leaves on a response for those who come after it. */
export type Locals = { requestId: string; principal?: Principal }
export type HttpRequest = Request
export type HttpResponse = Response<unknown, Record<string, unknown> & Locals>
export type HttpHandler = (req: HttpRequest, res: HttpResponse, next: NextFunction) => void | Promise<void>

/**
 * Token → who it is, or undefined. Used by the routes and by the feed's auth frame.
 * `tenant` is the operator's `X-Tenant`; `unknown_tenant` is the answer when it names none that exists.
 */
export type Authenticate = (token: string, tenant?: string) => Principal | 'unknown_tenant' | undefined
