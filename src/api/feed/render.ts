import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getAlerts } from '../../projections/alerts/queries.ts'
import { getChannels, type ChannelView } from '../../projections/channels/queries.ts'
import { getContacts } from '../../projections/contacts/queries.ts'
import { getConversations } from '../../projections/conversations/queries.ts'
import { changesId } from '../../projections/messageChanges/projection.ts'
import { getManyMedia } from '../../projections/media/queries.ts'
import { getMessages, getTargets, type MessageView } from '../../projections/messages/queries.ts'
import { getTemplates, type TemplateView } from '../../projections/templates/queries.ts'
import { renderAlert } from '../alerts/alerts.ts'
import { renderContacts } from '../contacts/render.ts'
import { renderConversations } from '../conversations/render.ts'
import type { RenderStored, ShowMedia } from '../media/view.ts'
import type { Opener } from '../messages/opening.ts'
import { renderMessages } from '../messages/render.ts'
import { renderChange } from './changes.ts'
import type { FeedType, StatusChange } from './frames.ts'
import type { RenderFeed } from './hub.ts'
import type { Published } from './listener.ts'
import { touch, type Touch } from './touch.ts'

type Touched = { readonly event: RecordedEvent; readonly touch: Touch }
type Bodies = {
  readonly messages: ReadonlyMap<string, object>
  /** By `changesId`. */
  readonly targets: ReadonlyMap<string, object>
  /** By the event. */
  readonly changes: ReadonlyMap<string, object>
  readonly statuses: ReadonlyMap<string, MessageView>
  readonly conversations: ReadonlyMap<string, object>
  readonly contacts: ReadonlyMap<string, object>
  readonly channels: ReadonlyMap<string, object>
  readonly templates: ReadonlyMap<string, object>
  readonly alerts: ReadonlyMap<string, object>
  readonly media: ReadonlyMap<string, object>
}

/** Read models that the feed shows things from: it waits for these before it tells of an event. */
export const feedReads = ['conversations', 'messages', 'messageChanges', 'contacts', 'channels', 'templates', 'alerts', 'media'] as const

/** Reads and opens what a page of events touched, each thing once whatever number of events touched it: one query per kind. */
export function createFeedRenderer(deps: {
  reader: TenantQueries
  open: Opener
  showMedia: ShowMedia
  renderMedia: RenderStored
  renderChannel: (tenantId: string, row: ChannelView) => object
  renderTemplate: (tenantId: string, row: TemplateView) => object
}): RenderFeed {
  const { reader, open, showMedia, renderChannel, renderTemplate } = deps

  async function read(tenantId: string, touched: readonly Touched[]): Promise<Bodies> {
    const ids = collect(touched)
    const [messageRows, conversationRows, contactRows, channelRows, alertRows, mediaRows, templateRows] = await Promise.all([
      getMessages(reader, tenantId, [...ids.messages.union(ids.statuses)]),
      getConversations(reader, tenantId, [...ids.conversations]),
      getContacts(reader, tenantId, [...ids.contacts]),
      getChannels(reader, tenantId, [...ids.channels]),
      getAlerts(reader, tenantId, [...ids.alerts]),
      getManyMedia(reader, tenantId, [...ids.media]),
      getTemplates(reader, tenantId, [...ids.templates]),
    ])
    // A status needs the row of its message and not its words: those stay sealed.
    const shown = messageRows.filter(({ id }) => ids.messages.has(id))
    const changes = touched.flatMap(({ touch }) => (touch.kind === 'change' ? [touch] : []))
    const targetRows = await getTargets(
      reader,
      tenantId,
      changes.map(({ change }) => change.target),
    )
    const [messages, targets, opened, conversations, contacts, media] = await Promise.all([
      renderMessages(tenantId, shown, open, showMedia),
      renderMessages(tenantId, targetRows, open, showMedia),
      Promise.all(changes.map(async ({ eventId, change }) => [eventId, await renderChange(tenantId, change, open)] as const)),
      renderConversations(tenantId, conversationRows, open),
      renderContacts(tenantId, contactRows, open),
      Promise.all(mediaRows.map((row) => deps.renderMedia(tenantId, row))),
    ])
    return {
      messages: byId(messages),
      targets: new Map(targets.map((message) => [changesId(message.channel_id, message.provider_id ?? ''), message])),
      changes: new Map(opened),
      statuses: byId(messageRows),
      conversations: byId(conversations),
      contacts: byId(contacts),
      templates: new Map(templateRows.map((row) => [row.id, renderTemplate(tenantId, row)])),
      alerts: byId(alertRows.map(renderAlert)),
      media: byId(media.filter((one) => one !== undefined)),
      channels: new Map(channelRows.map((row) => [row.id, renderChannel(tenantId, row)])),
    }
  }

  return async (tenantId, events) => {
    const touched = events.flatMap((event): Touched[] => {
      const found = touch(event)
      return found === undefined ? [] : [{ event, touch: found }]
    })
    if (touched.length === 0) return []
    const bodies = await read(tenantId, touched)
    return touched.flatMap((one) => publish(one, bodies))
  }
}

function collect(touched: readonly Touched[]): { readonly [Kind in Exclude<keyof Bodies, 'targets' | 'changes'>]: Set<string> } {
  const ids = {
    messages: new Set<string>(),
    statuses: new Set<string>(),
    conversations: new Set<string>(),
    contacts: new Set<string>(),
    channels: new Set<string>(),
    templates: new Set<string>(),
    alerts: new Set<string>(),
    media: new Set<string>(),
  }
  for (const { touch } of touched) {
    switch (touch.kind) {
      case 'message':
        ids.messages.add(touch.id)
        ids.conversations.add(touch.conversationId)
        break
      case 'change':
        ids.conversations.add(touch.conversationId)
        break
      case 'status':
        ids.statuses.add(touch.data.id)
        break
      case 'conversation':
        ids.conversations.add(touch.id)
        break
      case 'contact':
        ids.contacts.add(touch.id)
        break
      case 'channel':
        ids.channels.add(touch.id)
        break
      case 'template':
        ids.templates.add(touch.id)
        break
      case 'alert':
        ids.alerts.add(touch.id)
        break
      case 'media':
        ids.media.add(touch.id)
        break
      default:
        touch satisfies never
    }
  }
  return ids
}

const byId = <T extends { readonly id: string }>(things: readonly T[]): ReadonlyMap<string, T> => new Map(things.map((thing) => [thing.id, thing]))

/** Nothing for what the read models do not show (its event is parked): there is nothing that a client could load either. */
function publish({ event, touch }: Touched, bodies: Bodies): readonly Published[] {
  switch (touch.kind) {
    case 'message': {
      const message = bodies.messages.get(touch.id)
      const conversation = bodies.conversations.get(touch.conversationId)
      if (message === undefined || conversation === undefined) return []
      return [publishMessage(event, touch, message, conversation)]
    }
    case 'change':
      return publishChange(event, touch, bodies)
    case 'conversation':
      return ofBody(event, touch.type, bodies.conversations.get(touch.id))
    case 'contact':
      return ofBody(event, touch.type, bodies.contacts.get(touch.id))
    case 'channel':
      return ofBody(event, touch.type, bodies.channels.get(touch.id) ?? { id: touch.id, removed: true })
    case 'template':
      return ofBody(event, touch.type, bodies.templates.get(touch.id) ?? { id: touch.id, removed: true })
    case 'alert':
      return ofBody(event, touch.type, bodies.alerts.get(touch.id))
    case 'media':
      return ofBody(event, touch.type, bodies.media.get(touch.id))
    case 'status':
      return ofBody(event, touch.type, settledStatus(touch.data, event, bodies.statuses.get(touch.data.id)))
    default:
      return touch satisfies never
  }
}

/** Where its message is not here (yet), it will come with the change; until then only the conversation has moved on. */
function publishChange(event: RecordedEvent, touch: Extract<Touch, { kind: 'change' }>, bodies: Bodies): readonly Published[] {
  const conversation = bodies.conversations.get(touch.conversationId)
  if (conversation === undefined) return []
  const { channelId, providerId } = touch.change.target
  const message = bodies.targets.get(changesId(channelId, providerId))
  if (message === undefined) return ofBody(event, touch.before, conversation)
  return [publishMessage(event, touch, { ...message, change: bodies.changes.get(touch.eventId) }, conversation)]
}

/**
 * Reports overtake each other (`delivered` before our own record of `sent`). Each step is told as it came, but the last word on a message
 * is what the read model shows: a client that just follows ends where the query API is.
 */
const settledStatus = (data: StatusChange, event: RecordedEvent, row: MessageView | undefined): StatusChange =>
  row?.version === event.version ? { ...data, status: row.status } : data

function ofBody(event: RecordedEvent, type: FeedType, body: object | undefined): readonly Published[] {
  if (body === undefined) return []
  const frame = once(event, type, () => body)
  return [{ position: event.position, framesFor: ({ wants }) => (wants(type) ? [frame()] : []) }]
}

/**
 * The conversation as it is now, then the message. The snapshot stands at the place before the message: who is cut off between the two resumes with both.
 * Who follows conversations and not messages gets it at the message's own place, where nothing of this event is left to come.
 */
function publishMessage(
  event: RecordedEvent,
  { type, before }: Pick<Extract<Touch, { kind: 'message' }>, 'type' | 'before'>,
  message: object,
  conversation: object,
): Published {
  const id = derivedId('feed', event.id, before)
  const changed = once(event, before, () => conversation, { id, position: placeBefore(event.position) })
  const changedOnly = once(event, before, () => conversation, { id })
  const whole = once(event, type, () => ({ ...message, conversation }))
  const bare = once(event, type, () => message)
  return {
    position: event.position,
    framesFor({ wants, seesConversations }) {
      if (!wants(type)) return wants(before) ? [changedOnly()] : []
      return [...(wants(before) ? [changed()] : []), seesConversations ? whole() : bare()]
    },
  }
}

/**
 * A place below this one and not below that of any event before it. Computed, because who resumes must get the same place from every process without any
 * state: between two whole numbers that follow each other there is none, on a dense log and on a sparse one.
 */
const placeBefore = (position: Position): Position => positionOf(BigInt(position) - 1n)

/** A frame's bytes, made at the first listener that wants it. */
function once(event: RecordedEvent, type: FeedType, data: () => object, own: { id?: string; position?: Position } = {}): () => Buffer {
  const { id, position, meta } = event
  let bytes: Buffer | undefined
  return () => (bytes ??= Buffer.from(JSON.stringify({ id, type, position, ...own, occurred_at: meta.occurredAt, data: data() })))
}
