import type { TenantQueries } from '../../postgres/queries.ts'
import { actions } from '../../projections/audit/actions.ts'
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

const reports = new Set<string>([actions.MessageStatusChanged.action, actions.MessageStatusUnrecognised.action])
const sends = new Set<string>([actions.SendAccepted.action, actions.MessageQueued.action, actions.MessageRecorded.action])

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
  if (reports.has(row.action) && row.message !== null) {
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
  if (row.action === actions.WebhookReceived.action) return undefined
  // A step of a step of the intake names a command that left no event: what is left is the delivery that all of it belongs to.
  const delivery = await deliveryOf(row, look)
  return delivery === undefined ? undefined : { row: delivery, relation: 'same_delivery' }
}

/** The delivery whose correlation the row carries: the id of its stream. Its first event has itself for a cause, under that very id. */
async function deliveryOf(row: AuditRow, look: Look): Promise<AuditRow | undefined> {
  const [first] = await look('causationId', [row.correlationId], 1)
  return first?.action === actions.WebhookReceived.action && isBefore(first, row) ? first : undefined
}

const isBefore = (a: AuditRow, b: AuditRow): boolean => BigInt(a.position) < BigInt(b.position)

/** What a report is about: the last time the provider took the message before it, else the message itself (a report may overtake the provider's answer). */
function sendBefore(report: AuditRow, ofMessage: readonly AuditRow[]): AuditRow | undefined {
  const candidates = ofMessage.filter(({ action, id }) => sends.has(action) && id !== report.id)
  return (
    candidates.findLast((row) => row.action === actions.SendAccepted.action && isBefore(row, report)) ??
    candidates.find(({ action }) => action !== actions.SendAccepted.action)
  )
}

type Node = { readonly row: AuditRow; readonly relation: Relation | undefined; readonly children: Node[] }

/** What has been found so far. Each event stands in one place; beyond the most nodes nothing is added, and that is remembered. */
function createNodes() {
  const byId = new Map<string, Node>()
  let truncated = false
  return {
    of: (id: string): Node | undefined => byId.get(id),
    all: (): Node[] => [...byId.values()],
    truncated: () => truncated,
    add(row: AuditRow, relation: Relation | undefined, parent: Node | undefined): Node | undefined {
      if (byId.has(row.id)) return undefined
      if (byId.size >= mostNodes) {
        truncated = true
        return undefined
      }
      const node: Node = { row, relation, children: [] }
      byId.set(row.id, node)
      parent?.children.push(node)
      return node
    },
  }
}
type Nodes = ReturnType<typeof createNodes>

/** Down from the root, a level at a time, whatever the number of nodes on it. The way to the focus is put in first, so that it is there even in a tree that is cut. */
async function treeOf(path: readonly AuditRow[], look: Look, rowOf: RowOf): Promise<Trace> {
  const nodes = createNodes()
  const [top] = path
  const root = top === undefined ? undefined : nodes.add(top, undefined, undefined)
  if (root === undefined) throw new Error('a trace begins with an event')
  let above = root
  for (const row of path.slice(1)) above = nodes.add(row, (await parentOf(row, look, rowOf))?.relation, above) ?? above

  const ofCommand = (await rowOf(root.row.causationId)) === undefined ? await look('causationId', [root.row.causationId]) : []
  for (const row of ofCommand) nodes.add(row, 'same_command', root)
  let frontier = nodes.all()
  for (let level = 0; frontier.length > 0 && level < mostSteps; level++) frontier = await grow(nodes, frontier, look)
  if (root.row.action === actions.WebhookReceived.action) {
    for (const row of await look('correlationId', [root.row.correlationId])) if (isBefore(root.row, row)) nodes.add(row, 'same_delivery', root)
  }
  for (const { children } of nodes.all()) children.sort((a, b) => (isBefore(a.row, b.row) ? -1 : 1))
  return { root, truncated: nodes.truncated() }
}

/** What hangs under these nodes: one look per kind of edge. */
async function grow(nodes: Nodes, frontier: readonly Node[], look: Look): Promise<Node[]> {
  const here = new Map(frontier.map((node) => [node.row.id, node]))
  const messagesOf = (wanted: (row: AuditRow) => boolean): Map<string, Node> =>
    new Map(frontier.flatMap((node) => (node.row.message !== null && wanted(node.row) ? [[node.row.message, node] as const] : [])))
  const questions = messagesOf(({ action }) => action === actions.MessageReceived.action)
  const [caused, ofMessages, answers] = await Promise.all([
    look('causationId', [...here.keys()]),
    look('message', [...messagesOf(({ action }) => sends.has(action)).keys()]),
    look('answers', [...questions.keys()]),
  ])
  // A report belongs to its send, which may be a level further down and not here yet: it waits for it, also where it is caused by something in this tree.
  const sendOf = new Map(ofMessages.filter(({ action }) => reports.has(action)).map((row) => [row, sendBefore(row, ofMessages)]))
  const waiting = new Set([...sendOf].flatMap(([row, send]) => (send === undefined ? [] : [row.id])))
  const reported = [...sendOf].flatMap(([row, send]) => {
    const parent = send === undefined ? undefined : nodes.of(send.id)
    return parent === undefined ? [] : [nodes.add(row, 'report', parent)]
  })
  const found = [
    ...answers.map((row) => nodes.add(row, 'answer', questions.get(row.answers ?? ''))),
    ...reported,
    ...caused.filter(({ id }) => !waiting.has(id)).map((row) => nodes.add(row, 'caused', here.get(row.causationId))),
  ]
  return found.filter((node) => node !== undefined)
}
