import type { z } from 'zod'
import type { Access as AccessToRecord } from '../../commands/audit/trail.ts'
import type { Answer, Call, sent } from './call.ts'
import type { ProblemCode } from './codes.ts'
import type { Scope } from './scopes.ts'

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** Who may call it: a scope, any valid credential, the platform operator only, or everybody. */
export type Access = Scope | 'authenticated' | 'operator' | 'public'

type Response = { readonly description: string; readonly schema?: z.ZodType; readonly contentType?: string }

/**
 * One route, said once: it is mounted on Express and described in openapi.json from the same object, so the two cannot drift.
 * `path` is OpenAPI's (`/v1/channels/{id}`). Parameters of the path that do not parse are 404 (there can be no such resource), those of
 * the query that the route does not know 400 (see `onlyKnown`), query and body 422.
 */
export type RouteDefinition<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> = {
  readonly method: Method
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /** The operator may call it without naming a tenant, and then sees what belongs to nobody (deliveries for unknown numbers). */
  readonly platform?: true
  /** A change that also a suspended or closed organisation may make, because it only takes away: a key that leaked must go in every state. */
  readonly whileInactive?: true
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** A body may be left out; the schema then sees `{}`. */
  readonly bodyOptional?: boolean
  /** Bytes of body accepted (1 MiB). */
  readonly bodyLimit?: number
  /** Takes a file instead of JSON: `req.body` is then an `Upload`. */
  readonly upload?: { readonly maxBytes: number }
  readonly responses: Readonly<Record<number, Response>>
  /** Codes beside those that every route may answer with. */
  readonly problems?: readonly ProblemCode[]
  /**
   * Looks at (or sets in motion) something that no other event tells of: what to put on record, or undefined when this request does not. It is written beside
   * the handler's work and is durable before the answer leaves. A route that streams awaits `call.accessRecorded` first.
   */
  readonly audited?: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => AccessToRecord | undefined
  /** Read models behind the answer: `X-Read-After` waits for these. */
  readonly reads?: readonly string[]
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer | typeof sent> | Answer
}

/** A route whose schemas' types are no longer known outside: what `createApp` collects. */
export type Route = Omit<RouteDefinition<z.ZodType, z.ZodType, z.ZodType>, 'handle' | 'audited'> & {
  readonly audited?: (call: Call<unknown, unknown, unknown>) => AccessToRecord | undefined
  readonly handle: (call: Call<unknown, unknown, unknown>) => Promise<Answer | typeof sent> | Answer
}

type Nothing = z.ZodUndefined

/** Types the handler by its schemas, then forgets them. */
export const route = <P extends z.ZodType = Nothing, Q extends z.ZodType = Nothing, B extends z.ZodType = Nothing>(
  definition: RouteDefinition<P, Q, B>,
): Route => definition as unknown as Route

export const changes = (route: Pick<Route, 'method'>): boolean => route.method !== 'get'
