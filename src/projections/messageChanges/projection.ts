import type { EventType } from '../../domain/catalogue.ts'
import type { Reactor } from '../../domain/conversation/events.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// What happened to messages after they were written: one row per message that anything happened to, named as the provider names it, because a change may
// come before its message, or without it. Threads join the two when they are read.
// Invariant: the row says the same in whatever order the changes came. Of the reactions of one side the latest counts, of the edits the latest, of the
// revokes the first, each by (time of the provider, id of the provider).

export type ReactionEntry = {
  /** One per person: the customer, or all of us together, who are one and the same number to the customer. */
  readonly side: string
  readonly by: Reactor
  readonly at: string
  readonly providerId: string
  /** Without one the reaction was taken back. Sealed for (contactId, eventId, field): the emoji itself, or the content of the message that sends it. */
  readonly seal?: { readonly text: string; readonly contactId: string; readonly eventId: string; readonly field: 'emoji' | 'content' }
}

export type MessageChangesRow = {
  /** See `changesId`. */
  readonly id: string
  readonly channelId: string
  readonly targetId: string
  readonly reactions: string
  readonly editedAt: Date | null
  readonly editProviderId: string | null
  readonly editType: string | null
  /** Sealed for (editContactId, editEventId, `content`). */
  readonly editContent: string | null
  readonly editContactId: string | null
  readonly editEventId: string | null
  readonly revokedAt: Date | null
  readonly revokeProviderId: string | null
  /** Of the conversation's stream at the latest change: with the message's own it makes the ETag. */
  readonly changedVersion: number
}

/** A message of the provider is known by its id within a channel. */
export const changesId = (channelId: string, providerId: string): string => `${channelId}/${providerId}`

const handles = ['MessageReacted', 'MessageEdited', 'MessageRevoked', 'MessageQueued'] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const messageChanges: Projection<MessageChangesRow, Handled> = {
  name: 'messageChanges',
  version: 1,
  handles,
  table: {
    columns: {
      id: 'text',
      channelId: 'text',
      targetId: 'text',
      reactions: 'json',
      editedAt: 'timestamptz',
      editProviderId: 'text',
      editType: 'text',
      editContent: 'text',
      editContactId: 'text',
      editEventId: 'uuid',
      revokedAt: 'timestamptz',
      revokeProviderId: 'text',
      changedVersion: 'int4',
    },
    // By columns and not by the id put together from them: a join on an expression that PostgreSQL does not call leakproof (`||`) may not use an index
    // behind row level security, and reads all changes of the tenant for every page.
    indexes: [{ name: 'by_target', on: 'channel_id, target_id' }],
  },
  key(event) {
    const target = targetOf(event)
    return target === undefined ? undefined : changesId(event.channelId, target)
  },
  fold(row, event, at) {
    const target = targetOf(event)
    if (target === undefined) return undefined
    const before = { ...(row ?? untouched(event.channelId, target)), changedVersion: Math.max(row?.changedVersion ?? 0, at.version) }
    switch (event.type) {
      case 'MessageReacted':
      case 'MessageQueued':
        return { ...before, reactions: reactionsAfter(before.reactions, event, at) }
      case 'MessageEdited':
        return edited(before, event, at)
      case 'MessageRevoked':
        return revoked(before, event)
      default:
        return event satisfies never
    }
  },
}

/** Of what we send only reactions stand on other messages. */
const targetOf = (event: Handled): string | undefined => (event.type === 'MessageQueued' ? event.reactsTo : event.targetId)

const untouched = (channelId: string, targetId: string): MessageChangesRow => ({
  id: changesId(channelId, targetId),
  channelId,
  targetId,
  reactions: '[]',
  editedAt: null,
  editProviderId: null,
  editType: null,
  editContent: null,
  editContactId: null,
  editEventId: null,
  revokedAt: null,
  revokeProviderId: null,
  changedVersion: 0,
})

function reactionsAfter(reactions: string, event: EventsOf<'MessageReacted' | 'MessageQueued'>, at: RecordedEvent): string {
  const entries = JSON.parse(reactions) as readonly ReactionEntry[]
  const next = entryOf(event, at)
  const present = entries.find(({ side }) => side === next.side)
  // Ours that failed is taken back under its own id: it takes off itself, and nothing that was put there since.
  const isTakenBack = next.side === ours && event.type === 'MessageReacted' && event.emoji === undefined && event.by.kind !== 'phone'
  const wins = present === undefined || (isTakenBack ? present.providerId === next.providerId : isLater(next, present))
  // In the order of the sides, so that the row does not tell who came first.
  return wins ? JSON.stringify([...entries.filter(({ side }) => side !== next.side), next].toSorted((a, b) => (a.side < b.side ? -1 : 1))) : reactions
}

const ours = 'us'

function entryOf(event: EventsOf<'MessageReacted' | 'MessageQueued'>, { id: eventId, meta }: RecordedEvent): ReactionEntry {
  const { contactId } = event
  if (event.type === 'MessageQueued') {
    const seal = { text: sealedText(event.content), contactId, eventId, field: 'content' as const }
    return { side: ours, by: event.sentBy, at: new Date(meta.occurredAt).toISOString(), providerId: event.messageId, seal }
  }
  const { by, providerId, emoji } = event
  const isCustomer = by.kind === 'contact'
  return {
    side: isCustomer ? contactId : ours,
    by: isCustomer && by.id === undefined ? { ...by, id: contactId } : by,
    at: new Date(event.at).toISOString(),
    providerId,
    ...(emoji === undefined ? {} : { seal: { text: sealedText(emoji), contactId, eventId, field: 'emoji' as const } }),
  }
}

function edited(row: MessageChangesRow, event: EventsOf<'MessageEdited'>, { id: editEventId }: RecordedEvent): MessageChangesRow {
  const { contactId: editContactId, providerId: editProviderId, messageType: editType } = event
  const editedAt = new Date(event.at)
  if (row.editedAt !== null && row.editProviderId !== null) {
    const present = { at: row.editedAt.toISOString(), providerId: row.editProviderId }
    if (!isLater({ at: editedAt.toISOString(), providerId: editProviderId }, present)) return row
  }
  return { ...row, editedAt, editProviderId, editType, editContent: sealedText(event.content), editContactId, editEventId }
}

function revoked(row: MessageChangesRow, { at, providerId: revokeProviderId }: EventsOf<'MessageRevoked'>): MessageChangesRow {
  const revokedAt = new Date(at)
  if (row.revokedAt !== null && row.revokeProviderId !== null) {
    const present = { at: row.revokedAt.toISOString(), providerId: row.revokeProviderId }
    if (!isLater(present, { at: revokedAt.toISOString(), providerId: revokeProviderId })) return row
  }
  return { ...row, revokedAt, revokeProviderId }
}

type Moment = { readonly at: string; readonly providerId: string }

/** The provider's times are whole seconds: within one its id decides, so that all readers agree. */
const isLater = (a: Moment, b: Moment): boolean => (a.at === b.at ? a.providerId > b.providerId : a.at > b.at)
