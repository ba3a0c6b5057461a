import { z } from 'zod'
import { route, type Route } from '../http/route.ts'
import { ok } from '../http/call.ts'
import { authFrame, closeCodes, errorFrame, eventFrame, feedTypes, helloFrame, resyncFrame } from './frames.ts'

/** AsyncAPI 3.0 of the feed, from the very schemas that its frames are built and checked with. */
export function asyncApiDocument(version: string): Record<string, unknown> {
  const schemas: Record<string, unknown> = {}
  const payload = (schema: z.ZodType): unknown => schemaOf(schema, schemas)
  const events = Object.fromEntries(feedTypes.map((type) => [type, { summary: type, payload: payload(eventFrame(type)) }]))
  const messages = {
    auth: { summary: "The client's first frame, within 10 seconds", payload: payload(authFrame) },
    hello: { summary: 'The credential is good; everything after `position` follows', payload: payload(helloFrame) },
    resync: { summary: 'Too far back or too slow: reload by the query API', payload: payload(resyncFrame) },
    error: { summary: `The server closes: ${JSON.stringify(closeCodes)}`, payload: payload(errorFrame) },
    ...events,
  }
  const named = (names: readonly string[]) => names.map((name) => ({ $ref: `#/channels/feed/messages/${pointer(name)}` }))
  return {
    asyncapi: '3.0.0',
    info: { title: 'Recado live feed', version, description: 'What happens in an organisation, in the order of the log, each event once.' },
    channels: {
      feed: {
        address: '/v1/feed',
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${pointer(name)}` }])),
      },
    },
    operations: {
      authenticate: { action: 'receive', channel: { $ref: '#/channels/feed' }, messages: named(['auth']) },
      follow: { action: 'send', channel: { $ref: '#/channels/feed' }, messages: named(Object.keys(messages).filter((name) => name !== 'auth')) },
    },
    components: { messages, schemas },
  }
}

const pointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** A frame's schema in the document's words: what it names (`Message`, `Conversation`) goes to the shared schemas. */
function schemaOf(schema: z.ZodType, shared: Record<string, unknown>): unknown {
  const { $schema: _dialect, ...written } = z.toJSONSchema(schema, { unrepresentable: 'any' })
  const { $defs: named, ...json } = JSON.parse(JSON.stringify(written).replaceAll('"#/$defs/', '"#/components/schemas/')) as {
    $defs?: Record<string, unknown>
  }
  Object.assign(shared, named)
  return json
}

/** `GET /asyncapi.json`. */
export function asyncApiRoutes({ version }: { version: string }): readonly Route[] {
  let document: Record<string, unknown> | undefined
  return [
    route({
      method: 'get',
      path: '/asyncapi.json',
      tag: 'Operations',
      summary: 'The live feed, described',
      access: 'public',
      responses: { 200: { description: 'AsyncAPI 3.0', schema: z.looseObject({ asyncapi: z.string() }) } },
      handle: () => ok((document ??= asyncApiDocument(version))),
    }),
  ]
}
