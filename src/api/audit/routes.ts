import { z } from 'zod'
import type { TenantLog, TenantLogs } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { covers } from '../../domain/tenant/keys.ts'
import { askedFor } from '../http/asked-for.ts'
import { ok, sent, type Call } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'
import { listAudit, type AuditFilter } from '../../projections/audit/queries.ts'
import { exportAudit, exportFormats } from './export.ts'
import { entry, renderAudit, speaking, type AuditReading } from './render.ts'
import { relations, traceOf, type TraceNode } from './trace-tree.ts'

const text = z.string().min(1).max(200).optional()
const moment = z.iso.datetime({ offset: true }).transform((value) => new Date(value))
const momentDoc = { type: 'string', format: 'date-time' } as const

const filters = {
  actor: text.meta({
    description: "The actor's id: of a key, a user, `operator`, or a process such as `intake`; or with its kind before it, `api:…`",
  }),
  action: z
    .string()
    .min(1)
    .max(500)
    .transform((value) => value.split(','))
    .optional()
    .meta({
      type: 'string',
      description: 'One, or several with commas between them. Steps of our own work (`message.sent`) are listed only when named',
    }),
  entity_type: text.meta({ description: '`conversation`, `channel`, `api_key` …' }),
  entity_id: text,
  from: moment.optional().meta(momentDoc),
  to: moment.optional().meta({ ...momentDoc, description: 'Before this moment' }),
  correlation_id: text.meta({ description: 'The `X-Request-Id` of a request, or the id of a delivery' }),
}
const filterQuery = z.object(filters)
type Filters = z.output<typeof filterQuery>

/** Times are recorded in milliseconds: what is at or after a moment comes after everything up to the millisecond before it. */
async function filterOf(log: Pick<TenantLog, 'positionAt'>, asked: Filters): Promise<AuditFilter> {
  const before = async (moment: Date | undefined): Promise<Position | undefined> =>
    moment === undefined ? undefined : log.positionAt(new Date(moment.getTime() - 1))
  const [after, upTo] = await Promise.all([before(asked.from), before(asked.to)])
  const { actor, action: actions, entity_type: entityType, entity_id: entityId, correlation_id: correlationId } = asked
  return { actor, actions, entityType, entityId, correlationId, after, upTo }
}

/** Customers' names are personal data: the audit trail alone does not show them. */
const people = ({ principal }: Pick<Call<unknown, unknown, unknown>, 'principal'>): { people: boolean } => ({
  people: covers(principal.scopes, 'contacts:read'),
})

const node = z
  .object({
    event: z.object({
      id: z.string(),
      type: z.string(),
      stream: z.object({ category: z.string(), id: z.string() }),
      version: z.number().int(),
      position: z.string(),
      at: z.string(),
      actor: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
      summary: z.string(),
    }),
    relation: z.enum(relations).optional().meta({ description: 'Why it stands under its parent; absent at the root' }),
    focus: z.literal(true).optional().meta({ description: 'The event that was asked for' }),
    get children() {
      return z.array(node)
    },
  })
  .meta({ id: 'TraceNode' })
type NodeBody = z.infer<typeof node>

/** Who did what, and what led to what. */
export function auditRoutes({ logOf, ...reading }: AuditReading & { readonly logOf: TenantLogs }): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/audit',
      tag: 'Audit',
      platform: true,
      summary: 'What was done, by whom and to what, newest first',
      description: 'Everything that a person would call an action, whoever did it. Each event of the log, also the steps between, is in its trace.',
      access: 'audit:read',
      query: z.object({ ...paging, ...filters }),
      responses: { 200: { description: 'A page of the audit trail', schema: pageOf(entry) } },
      reads: ['audit'],
      handle: async (call) => {
        const { limit, cursor, ...asked } = call.query
        const filter = await filterOf(logOf(call.tenantId), asked)
        return listed(listAudit(reading.reader, call.tenantId, { ...filter, limit, cursor }), (rows) =>
          renderAudit(reading, call.tenantId, rows, people(call)),
        )
      },
    }),
    route({
      method: 'get',
      path: '/v1/audit/export',
      tag: 'Audit',
      platform: true,
      summary: 'The audit trail as a file, newest first',
      description: 'Streamed; as many entries as there are. Itself an entry of the audit trail.',
      access: 'audit:read',
      query: z.object({ ...filters, format: z.enum(exportFormats).default('ndjson') }),
      responses: {
        200: { description: 'One entry per line: JSON, or CSV with `format=csv`', schema: z.string(), contentType: 'application/x-ndjson' },
      },
      reads: ['audit'],
      audited: ({ req }) => ({ what: 'audit_exported', filter: askedFor(req.query) }),
      async handle(call): Promise<typeof sent> {
        await call.accessRecorded
        const { format, ...asked } = call.query
        await exportAudit(reading, call, { format, filter: await filterOf(logOf(call.tenantId), asked), ...people(call) })
        return sent
      },
    }),
    route({
      method: 'get',
      path: '/v1/events/{id}/trace',
      tag: 'Log',
      platform: true,
      summary: 'What led to an event and what came of it, as a tree',
      description:
        'From the root cause down, across deliveries, messages, sends and statuses. A request has no event: the first one that it led to stands for it. At most 500 events; `truncated` says that there are more.',
      access: 'events:read',
      params: z.object({ id: z.string().min(1).max(100) }),
      responses: { 200: { description: 'The tree', schema: node.extend({ truncated: z.literal(true).optional() }).meta({ id: 'Trace' }) } },
      reads: ['audit'],
      async handle(call) {
        const { tenantId, params } = call
        const id = params.id.toLowerCase()
        const trace = await traceOf(reading.reader, tenantId, id)
        if (trace === undefined) throw problem('not_found')
        const spoken = await speaking(reading, tenantId, rowsOf(trace.root), people(call))
        const said = new Map(spoken.map((one) => [one.row.id, one]))
        const render = ({ row, relation, children }: TraceNode): NodeBody => {
          const one = said.get(row.id)
          if (one === undefined) throw new Error('every node of a trace is spoken of')
          const { event, summary } = one
          return {
            event: {
              id: event.id,
              type: event.type,
              stream: { category: event.stream.category, id: event.stream.id },
              version: event.version,
              position: event.position,
              at: event.recordedAt.toISOString(),
              actor: event.meta.actor,
              summary,
            },
            ...(relation === undefined ? {} : { relation }),
            ...(row.id === id ? { focus: true as const } : {}),
            children: children.map(render),
          }
        }
        return ok({ ...render(trace.root), ...(trace.truncated ? { truncated: true } : {}) })
      },
    }),
  ]
}

const rowsOf = ({ row, children }: TraceNode): TraceNode['row'][] => [row, ...children.flatMap(rowsOf)]
