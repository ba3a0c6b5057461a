import { z } from 'zod'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { ReactionEntry } from '../../projections/messageChanges/projection.ts'
import type { Target } from '../../projections/messages/queries.ts'
import type { Opener } from '../messages/opening.ts'
import { renderReactions } from '../messages/reactions.ts'

/** What was done to a message, beside the message as it is now. */
export const change = z
  .object({
    kind: z.enum(['reaction', 'edit', 'revoke']),
    at: z.string(),
    by: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }).optional(),
    emoji: z.string().optional().meta({ description: 'Of a reaction; without one it was taken back' }),
  })
  .meta({ id: 'MessageChange' })
type ChangeBody = z.infer<typeof change>

/** A change on its way to the feed: which message, and what is told of it. The emoji is still sealed. */
export type Change = { readonly target: Target; readonly body: ChangeBody; readonly reaction?: ReactionEntry }

type Changing = Extract<ConversationEvent, { type: 'MessageReacted' | 'MessageEdited' | 'MessageRevoked' }>
type Reacting = Extract<ConversationEvent, { type: 'MessageQueued' }> & { readonly reactsTo: string }

export function changeIn(event: Changing, { id: eventId }: RecordedEvent): Change {
  const { channelId, contactId, targetId, at } = event
  const target = { channelId, providerId: targetId }
  switch (event.type) {
    case 'MessageEdited':
      return { target, body: { kind: 'edit', at } }
    case 'MessageRevoked':
      return { target, body: { kind: 'revoke', at } }
    case 'MessageReacted': {
      const by = event.by.kind === 'contact' ? { ...event.by, id: event.by.id ?? contactId } : event.by
      const body: ChangeBody = { kind: 'reaction', at, by }
      if (event.emoji === undefined) return { target, body }
      const seal = { text: sealedText(event.emoji), contactId, eventId, field: 'emoji' as const }
      return { target, body, reaction: { side: '', by, at, providerId: event.providerId, seal } }
    }
    default:
      return event satisfies never
  }
}

/** A reaction of ours stands on its message as soon as it is queued. */
export function reactionIn(event: Reacting, { id: eventId, meta }: RecordedEvent): Change {
  const { channelId, contactId, reactsTo, sentBy: by, messageId: providerId } = event
  const at = meta.occurredAt
  const seal = { text: sealedText(event.content), contactId, eventId, field: 'content' as const }
  return { target: { channelId, providerId: reactsTo }, body: { kind: 'reaction', at, by }, reaction: { side: '', by, at, providerId, seal } }
}

export async function renderChange(tenantId: string, { body, reaction }: Change, open: Opener): Promise<ChangeBody> {
  if (reaction === undefined) return body
  const [opened] = await renderReactions(tenantId, [reaction], open)
  return opened === undefined ? body : { ...body, emoji: opened.emoji }
}
