import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { problemCodes, type ProblemCode } from './codes.ts'
import { changes, type Route } from './route.ts'
import { scopes } from './scopes.ts'

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problemCodes) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).optional(),
    retryable: z.boolean().optional(),
    retry_after: z.int().optional(),
    provider_error: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457. `code` is stable; the list is in docs/reference/errors.md.' })

const always: readonly ProblemCode[] = ['bad_request', 'rate_limited', 'internal', 'unavailable']

/** The codes a route may answer with, from what it takes and who may call it. */
function codesOf(route: Route): readonly ProblemCode[] {
  return [
    ...new Set<ProblemCode>([
      ...always,
      ...(route.access === 'public' ? [] : (['unauthorized', 'not_found', 'forbidden'] as const)),
      ...(route.access === 'public' ? [] : (['unknown_parameter'] as const)),
      ...(route.params === undefined ? [] : (['not_found'] as const)),
      ...(route.query === undefined && route.body === undefined ? [] : (['invalid_request'] as const)),
      ...(route.body === undefined ? [] : (['malformed_json', 'payload_too_large', 'unsupported_media_type'] as const)),
      ...(route.upload === undefined ? [] : (['invalid_request', 'payload_too_large', 'unsupported_media_type'] as const)),
      ...(changes(route) ? (['tenant_suspended', 'idempotency_conflict', 'idempotency_in_progress'] as const) : []),
      ...(route.problems ?? []),
    ]),
  ]
}

const uploadSchema = z.object({ file: z.string().meta({ format: 'binary', description: 'The file, with its name and type' }) })

const requestHeaders = {
  requestId: z.string().optional().meta({ description: 'Comes back, and is the correlation id of the events' }),
  idempotencyKey: z.string().max(255).optional().meta({ description: 'Same key and body: same answer, done once' }),
  ifMatch: z.string().optional().meta({ description: 'The ETag that the change is based on, else 412' }),
  readAfter: z.string().optional().meta({ description: 'An X-Position: waits up to 2 s until it can be seen, else `X-Stale: true`' }),
  tenant: z.string().optional().meta({ description: 'The platform operator only: slug or id of the organisation' }),
}

function headersOf(route: Route): z.ZodType[] {
  return [
    z.object({
      'X-Request-Id': requestHeaders.requestId,
      ...(route.access === 'public' || route.access === 'operator' ? {} : { 'X-Tenant': requestHeaders.tenant }),
      ...(changes(route) ? { 'Idempotency-Key': requestHeaders.idempotencyKey } : {}),
      ...(route.problems?.includes('precondition_failed') === true ? { 'If-Match': requestHeaders.ifMatch } : {}),
      ...(route.reads === undefined ? {} : { 'X-Read-After': requestHeaders.readAfter }),
    }),
  ]
}

function responsesOf(route: Route): RouteConfig['responses'] {
  const good = Object.entries(route.responses).map(([status, { description, schema, contentType }]) => [
    status,
    { description, ...(schema === undefined ? {} : { content: { [contentType ?? 'application/json']: { schema } } }) },
  ])
  const byStatus = new Map<number, ProblemCode[]>()
  for (const code of codesOf(route)) {
    const status = problemCodes[code][0]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const bad = [...byStatus].map(([status, codes]) => [
    String(status),
    { description: codes.map((code) => `\`${code}\``).join(', '), content: { 'application/problem+json': { schema: problemSchema } } },
  ])
  return Object.fromEntries([...good, ...bad]) as RouteConfig['responses']
}

const said = (route: Route): string => {
  const who =
    route.access === 'public'
      ? 'No credential.'
      : route.access === 'operator'
        ? 'Platform operator.'
        : route.access === 'authenticated'
          ? 'Any key.'
          : `Scope \`${route.access}\`.`
  return route.description === undefined ? who : `${route.description}\n\n${who}`
}

/** `get /v1/channels/{id}` → `getV1ChannelsId`: stable as long as the address is. */
const operationId = (route: Route): string =>
  route.method +
  route.path
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join('')

/** OpenAPI 3.1 of what is mounted, from the very schemas that check the requests. */
export function openApiDocument(routes: readonly Route[], info: { version: string; publicUrl?: string | undefined }): Record<string, unknown> {
  const registry = new OpenAPIRegistry()
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  registry.registerComponent('securitySchemes', 'apiKey', { type: 'apiKey', in: 'header', name: 'X-Api-Key' })
  for (const route of routes) {
    registry.registerPath({
      method: route.method,
      path: route.path,
      operationId: operationId(route),
      tags: [route.tag],
      summary: route.summary,
      description: said(route),
      security: route.access === 'public' ? [] : [{ bearer: [] }, { apiKey: [] }],
      request: {
        ...(route.params === undefined ? {} : { params: route.params as z.ZodObject }),
        ...(route.query === undefined ? {} : { query: route.query as z.ZodObject }),
        ...(route.upload === undefined ? {} : { body: { content: { 'multipart/form-data': { schema: uploadSchema } }, required: true } }),
        ...(route.body === undefined
          ? {}
          : { body: { content: { 'application/json': { schema: route.body } }, required: route.bodyOptional !== true } }),
        headers: headersOf(route),
      },
      responses: responsesOf(route),
    })
  }
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Recado',
      version: info.version,
      description: `Scopes:\n\n${Object.entries(scopes)
        .map(([name, meaning]) => `- \`${name}\`: ${meaning}`)
        .join('\n')}`,
    },
    ...(info.publicUrl === undefined ? {} : { servers: [{ url: info.publicUrl }] }),
  })
  return document as unknown as Record<string, unknown>
}
