import type { ReactionEntry } from '../../projections/messageChanges/projection.ts'
import type { Opener } from './opening.ts'
import type { MessageBody } from './schema.ts'

/** Those that stand on a message: not the ones that were taken back, nor those of somebody who was erased. */
export async function renderReactions(tenantId: string, entries: readonly ReactionEntry[], open: Opener): Promise<MessageBody['reactions']> {
  const opened = await Promise.all(entries.map((entry) => renderReaction(tenantId, entry, open)))
  return opened.filter((reaction) => reaction !== undefined)
}

async function renderReaction(
  tenantId: string,
  { by, at, seal }: ReactionEntry,
  open: Opener,
): Promise<MessageBody['reactions'][number] | undefined> {
  if (seal === undefined) return undefined
  const text = await open({ tenantId, subject: seal.contactId, eventId: seal.eventId, field: seal.field }, seal.text)
  if (text === null) return undefined
  const emoji = seal.field === 'emoji' ? text : emojiOf(text)
  // Ours is sent like a message: an empty one takes the last one back.
  return emoji === '' ? undefined : { emoji, by, at }
}

const emojiOf = (content: string): string => (JSON.parse(content) as { readonly reaction?: { readonly emoji?: string } }).reaction?.emoji ?? ''
