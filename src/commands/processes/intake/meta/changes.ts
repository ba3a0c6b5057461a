import { contentOf, typeName } from './content.ts'
import type { MessageChange } from './items.ts'
import { metaEdit, metaReaction, metaRevoke, type MetaMessage } from './schema.ts'

/**
 * What a reaction, an edit or a revoke does to another message. Undefined for messages of their own, and for one that does not say what it changes:
 * that is shown as a message instead of being lost.
 */
export function changeOf(message: MetaMessage, at: string): MessageChange | undefined {
  const facts = { providerId: message.id, at }
  switch (message.type) {
    case 'reaction': {
      const reaction = metaReaction.safeParse(message['reaction']).data
      if (reaction === undefined) return undefined
      const { message_id: targetId, emoji } = reaction
      // Taken back: without emoji, or with an empty one.
      return { kind: 'reaction', ...facts, targetId, ...(emoji === undefined || emoji === '' ? {} : { emoji }) }
    }
    case 'edit': {
      const edit = metaEdit.safeParse(message['edit']).data
      if (edit === undefined) return undefined
      const { original_message_id: targetId, message: now } = edit
      return { kind: 'edit', ...facts, targetId, messageType: typeName(now.type), content: JSON.stringify(contentOf(now)) }
    }
    case 'revoke': {
      const revoke = metaRevoke.safeParse(message['revoke']).data
      return revoke === undefined ? undefined : { kind: 'revoke', ...facts, targetId: revoke.original_message_id }
    }
    default:
      return undefined
  }
}
