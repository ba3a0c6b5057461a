import { Agent, request, type Dispatcher } from 'undici'
import { z } from 'zod'
import type { CallResult, CloudApiAccount } from '../../commands/ports/cloud-api.ts'
import type { TemplatesApi, TemplatesPage } from '../../commands/ports/templates-api.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import type { ListedTemplate } from '../../domain/template/template.ts'
import { bareError, metaError } from './answers.ts'
import type { Answer } from './exchange.ts'
import { exactJson } from './exact-json.ts'

export type TemplatesApiOptions = { readonly graphUrl: string; readonly version: string; readonly timeoutMs?: number }

const providerId = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,40}$/))
/** Everything but the id, the name and the language may be missing or new. */
const node = z.object({
  id: providerId,
  name: z.string().min(1).max(512),
  language: z.string().min(1).max(20),
  status: z.string().max(50).catch('UNKNOWN'),
  category: z.string().max(50).catch('UNKNOWN'),
  parameter_format: z.string().optional().catch(undefined),
  components: z.array(z.json()).catch([]),
  message_send_ttl_seconds: z.coerce.number().int().optional().catch(undefined),
  quality_score: z.object({ score: z.string() }).optional().catch(undefined),
  rejected_reason: z.string().optional().catch(undefined),
})
const listBody = z.object({
  data: z.array(z.unknown()),
  paging: z
    .object({ cursors: z.object({ after: z.string() }).optional(), next: z.string().optional() })
    .optional()
    .catch(undefined),
})
const createdBody = z.object({
  id: providerId,
  status: z.string().max(50).catch('PENDING'),
  category: z.string().max(50).optional().catch(undefined),
})
const doneBody = z.object({ success: z.literal(true) })

const sureFields = 'id,name,language,status,category,parameter_format,components,quality_score'
/** Fields that not every source of ours confirms: one that Meta does not have fails the whole call, and then it is asked again without them. */
const allFields = `${sureFields},rejected_reason,message_send_ttl_seconds`

/**
 * Meta's template endpoints, on connections of their own: a list of a thousand templates must not stand before a message.
 */
export function createTemplatesApi({ graphUrl, version, timeoutMs = 20_000 }: TemplatesApiOptions): TemplatesApi {
  const root = `${graphUrl.replace(/\/$/, '')}/${version}`
  const agent = new Agent({ connections: 4, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect: { timeout: 10_000 } })
  let fields = allFields

  async function call(account: CloudApiAccount, method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<Answer | { failed: string }> {
    try {
      const result = await request(root + path, {
        method,
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          authorization: `Bearer ${account.accessToken}`,
          'user-agent': 'recado',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await result.body.text()
      const retryAfter = result.headers['retry-after']
      return { status: result.statusCode, body: text, ...(typeof retryAfter === 'string' ? { retryAfter } : {}) }
    } catch (error) {
      return { failed: reasonOf(error) }
    }
  }

  /** A read with the fields we would like, or with those that are there. */
  async function read<T>(
    account: CloudApiAccount,
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
  ): Promise<CallResult<T>> {
    const ask = async (names: string) => answered(await call(account, 'GET', `${path}?${new URLSearchParams({ ...query, fields: names })}`), schema)
    const first = await ask(fields)
    if (fields === sureFields || !('error' in first) || first.error.code !== 100 || !/nonexisting field/i.test(first.error.message)) return first
    fields = sureFields
    return ask(fields)
  }

  return {
    async list(account, { name, after }) {
      const query = { limit: '100', ...(name === undefined ? {} : { name }), ...(after === undefined ? {} : { after }) }
      const result = await read(account, `/${encodeURIComponent(account.wabaId)}/message_templates`, query, listBody)
      if (!('ok' in result)) return result
      const { data, paging } = result.ok
      const items = data.map((item) => node.safeParse(item))
      // Meta's filter finds names that only contain the text, too.
      const templates = items.flatMap(({ data: item }) =>
        item !== undefined && (name === undefined || item.name === name) ? [listed(item, account)] : [],
      )
      const whole = items.every(({ success }) => success)
      const next = paging?.next === undefined ? undefined : paging.cursors?.after
      return { ok: { templates, whole, ...(next === undefined ? {} : { after: next }) } satisfies TemplatesPage }
    },
    async get(account, id) {
      const result = await read(account, `/${encodeURIComponent(id)}`, {}, node)
      return 'ok' in result ? { ok: listed(result.ok, account) } : result
    },
    async create(account, { name, language, definition }) {
      const body = { name, language, ...definitionBody(definition), parameter_format: definition.parameterFormat, category: definition.category }
      const result = answered(await call(account, 'POST', `/${encodeURIComponent(account.wabaId)}/message_templates`, body), createdBody)
      if (!('ok' in result)) return result
      const { id, status, category } = result.ok
      return { ok: { providerId: id, status, ...(category === undefined ? {} : { category }) } }
    },
    async edit(account, id, { category, definition }) {
      const body = { ...definitionBody(definition), ...(category === undefined ? {} : { category }) }
      return isDone(answered(await call(account, 'POST', `/${encodeURIComponent(id)}`, body), doneBody))
    },
    async remove(account, { name, providerId: id }) {
      const query = new URLSearchParams({ ...(id === undefined ? {} : { hsm_id: id }), name })
      return isDone(answered(await call(account, 'DELETE', `/${encodeURIComponent(account.wabaId)}/message_templates?${query}`), doneBody))
    },
    close: () => agent.close(),
  }
}

const isDone = (result: CallResult<unknown>): CallResult<true> => ('ok' in result ? { ok: true } : result)

const definitionBody = ({ components, messageSendTtlSeconds }: TemplateDefinition): Record<string, unknown> => ({
  components,
  ...(messageSendTtlSeconds === undefined ? {} : { message_send_ttl_seconds: messageSendTtlSeconds }),
})

function listed(item: z.infer<typeof node>, { wabaId }: CloudApiAccount): ListedTemplate {
  const { id, name, language, status, category, components, rejected_reason: reason, message_send_ttl_seconds: ttl } = item
  const parameterFormat = item.parameter_format?.toLowerCase() === 'named' ? 'named' : 'positional'
  return {
    wabaId,
    name,
    language,
    providerId: id,
    status,
    definition: { category, parameterFormat, components, ...(ttl === undefined ? {} : { messageSendTtlSeconds: ttl }) },
    ...(item.quality_score === undefined ? {} : { quality: item.quality_score.score }),
    ...(reason === undefined || reason === 'NONE' || reason === '' ? {} : { rejectedReason: reason }),
  }
}

function answered<T>(answer: Answer | { failed: string }, schema: z.ZodType<T>): CallResult<T> {
  if ('failed' in answer) return { unreachable: answer.failed }
  if (answer.status >= 200 && answer.status < 300) {
    const read = schema.safeParse(exactJson(answer.body))
    if (read.success) return { ok: read.data }
  }
  const error = metaError(answer)
  if (error !== undefined) return { error }
  const message = `HTTP ${answer.status} is not an answer of the Cloud API`
  return answer.status >= 500 || answer.status < 300 ? { unreachable: message } : { error: bareError(answer, message) }
}

/** Short and free of addresses, tokens and bodies: it ends in the log. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
