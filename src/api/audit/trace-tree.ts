import type { TenantQueries } from '../../postgres/queries.ts'
import type { AuditRow } from '../../projections/audit/projection.ts'
import { getAuditRow, rowsAlong, type Edge } from '../../projections/audit/queries.ts'

/**
 * Why a node stands under its parent: `caused` by that event; part of the `same_command` (a request has no event of its own, so the first event that it led to
 * stands for it); a `report` on the send, brought by a delivery of its own; an `answer` of ours that quotes the customer's message;
 * or of the `same_delivery`, on a way that left no event.
 */
export const relations = ['caused', 'same_command', 'report', 'answer', 'same_delivery'] as const
export type Relation = (typeof relations)[number]

export type TraceNode = { readonly row: AuditRow; readonly relation: Relation | undefined; readonly children: readonly TraceNode[] }
export type Trace = { readonly root: TraceNode; readonly truncated: boolean }

type Parent = { readonly row: AuditRow; readonly relation: Relation }

/** Nodes of one tree. A delivery may hold a thousand messages, and a day's campaign hangs under one request. */
const mostNodes = 500
const mostSteps = 50

const reports = new Set(['MessageStatusChanged', 'MessageStatusUnrecognised'])
const sends = new Set(['SendAccepted', 'MessageQueued', 'MessageRecorded'])

/**
 * Causes and consequences of an event as a tree, from its root cause down. An event may be said to have two causes: a status comes with a delivery and is about a send.
 * Here it stands under the send where that is known, for that is what a person follows; each event stands in one place only.
 * Every step is a look into an index of the audit rows: the log itself is not searched.
 */
export async function traceOf(queries: TenantQueries, tenantId: string, eventId: string): Promise<Trace | undefined> {
  const focus = await getAuditRow(queries, tenantId, eventId)
  if (focus === undefined) return undefined
  const look: Look = (edge, ids, most = mostNodes + 1) => rowsAlong(queries, tenantId, edge, ids, most)
  const rowOf = (id: string): Promise<AuditRow | undefined> => getAuditRow(queries, tenantId, id)

  const path = [focus]
  for (let steps = 0; steps < mostSteps; steps++) {
    const above = await parentOf(path[0] ?? focus, look, rowOf)
    if (above === undefined || path.some(({ id }) => id === above.row.id)) break
    path.unshift(above.row)
  }
  return treeOf(path, look, rowOf)
}

type Look = (edge: Edge, ids: readonly string[], most?: number) => Promise<readonly AuditRow[]>
type RowOf = (id: string) => Promise<AuditRow | undefined>

async function parentOf(row: AuditRow, look: Look, rowOf: RowOf): Promise<Parent | undefined> {
  if (reports.has(row.type) && row.message !== null) {
    const send = sendBefore(row, await look('message', [row.message]))
    if (send !== undefined) return { row: send, relation: 'report' }
  }
  if (row.answers !== null) {
    const [question] = await look('message', [row.answers], 1)
    if (question !== undefined && isBefore(question, row)) return { row: question, relation: 'answer' }
  }
  const cause = await rowOf(row.causationId)
  if (cause !== undefined) return cause.id === row.id ? undefined : { row: cause, relation: 'caused' }
  const [first] = await look('causationId', [row.causationId], 1)
  if (first !== undefined && first.id !== row.id && isBefore(first, row)) return { row: first, relation: 'same_command' }
  if (row.type === 'WebhookReceived') return undefined
  // A step of a step of the intake names a command that left no event: what is left is the delivery that all of it belongs to.
  const delivery = await deliveryOf(row, look)
  return delivery === undefined ? undefined : { row: delivery, relation: 'same_delivery' }
}

/** The delivery whose correlation the row carries: the id of its stream. Its first event has itself for a cause, under that very id. */
async function deliveryOf(row: AuditRow, look: Look): Promise<AuditRow | undefined> {
  const [first] = await look('causationId', [row.correlationId], 1)
  return first?.type === 'WebhookReceived' && isBefore(first, row) ? first : undefined
}

const isBefore = (a: AuditRow, b: AuditRow): boolean => BigInt(a.position) < BigInt(b.position)

/** What a report is about: the last time the provider took the message before it, else the message itself (a report may overtake the provider's answer). */
function sendBefore(report: AuditRow, ofMessage: readonly AuditRow[]): AuditRow | undefined {
  const candidates = ofMessage.filter(({ type, id }) => sends.has(type) && id !== report.id)
  return (
    candidates.findLast((row) => row.type === 'SendAccepted' && isBefore(row, report)) ??
    candidates.find(({ type }) => type === 'MessageQueued' || type === 'MessageRecorded')
  )
}

type Building = { readonly row: AuditRow; readonly relation: Relation | undefined; readonly children: Building[] }

/** Down from the root, a level at a time: one look per kind of edge and level, whatever the number of nodes. The way to the focus is put in first. */
async function treeOf(path: readonly AuditRow[], look: Look, rowOf: RowOf): Promise<Trace> {
  const nodes = new Map<string, Building>()
  let truncated = false
  const add = (row: AuditRow, relation: Relation | undefined, parent: Building | undefined): Building | undefined => {
    if (nodes.has(row.id)) return undefined
    if (nodes.size >= mostNodes) {
      truncated = true
      return undefined
    }
    const node: Building = { row, relation, children: [] }
    nodes.set(row.id, node)
    parent?.children.push(node)
    return node
  }

  const [top] = path
  const root = top === undefined ? undefined : add(top, undefined, undefined)
  if (root === undefined) throw new Error('a trace begins with an event')
  let above = root
  for (const row of path.slice(1)) above = add(row, (await parentOf(row, look, rowOf))?.relation, above) ?? above

  const byCommand = (await rowOf(root.row.causationId)) === undefined || root.row.causationId === root.row.id
  let frontier = [...nodes.values()]
  for (let level = 0; frontier.length > 0 && level < mostSteps; level++) {
    const here = new Map(frontier.map((node) => [node.row.id, node]))
    const messages = new Map(frontier.flatMap((node) => (isSend(node.row) ? [[node.row.message ?? '', node] as const] : [])))
    const questions = new Map(frontier.flatMap((node) => (node.row.type === 'MessageReceived' ? [[node.row.message ?? '', node] as const] : [])))
    const [caused, reported, answered, siblings] = await Promise.all([
      look('causationId', [...here.keys()]),
      look('message', [...messages.keys()]),
      look('answers', [...questions.keys()]),
      level === 0 && byCommand ? look('causationId', [root.row.causationId]) : [],
    ])
    const found: (Building | undefined)[] = []
    for (const row of answered) found.push(add(row, 'answer', questions.get(row.answers ?? '')))
    for (const row of siblings) found.push(add(row, 'same_command', root))
    for (const row of reported) {
      const send = reports.has(row.type) ? sendBefore(row, reported) : undefined
      // Shown under the provider's answer, which may be a level further down than the message and not here yet.
      const parent = send === undefined ? undefined : nodes.get(send.id)
      if (parent !== undefined) found.push(add(row, 'report', parent))
    }
    // A report that is known to be about a send of this tree waits for that send.
    const waiting = new Set(reported.filter((row) => reports.has(row.type) && sendBefore(row, reported) !== undefined).map(({ id }) => id))
    for (const row of caused) if (!waiting.has(row.id)) found.push(add(row, 'caused', here.get(row.causationId)))
    frontier = found.filter((node) => node !== undefined)
  }
  if (root.row.type === 'WebhookReceived') {
    for (const row of await look('correlationId', [root.row.correlationId])) if (isBefore(root.row, row)) add(row, 'same_delivery', root)
  }
  for (const { children } of nodes.values()) children.sort((a, b) => (isBefore(a.row, b.row) ? -1 : 1))
  return { root, truncated }
}

const isSend = (row: AuditRow): boolean => sends.has(row.type) && row.message !== null
