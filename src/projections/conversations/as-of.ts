import { conversation as aggregate } from '../../domain/conversation/conversation.ts'
import type { TenantLog } from '../../domain/kernel/event-store.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { contacts } from '../contacts/projection.ts'
import type { ContactView } from '../contacts/queries.ts'
import { foldAsOf, foldRows, viewOf } from '../engine/as-of.ts'
import { changesAsOf } from '../messageChanges/as-of.ts'
import { conversations } from './projection.ts'
import type { ConversationView } from './queries.ts'

/** A conversation as the inbox showed it then: with the name that its contact had, and its last message as far as that had come. */
export async function conversationAsOf(
  log: Pick<TenantLog, 'readStream'>,
  { tenantId, id, position }: { tenantId: string; id: string; position: Position },
): Promise<ConversationView | undefined> {
  const events = await Array.fromAsync(log.readStream(streamRef(aggregate.category, tenantId, id), { asOf: position }))
  const row = foldRows(conversations, events).get(id)
  if (row === undefined) return undefined
  const person = await foldAsOf(log, contacts, { tenantId, id: row.contactId, position })
  const contact = person === undefined ? undefined : viewOf<ContactView>(contacts, person)
  return {
    ...row,
    ...changesAsOf(events)(row.channelId, row.lastMessageProviderId),
    contactName: contact?.name ?? null,
    contactNameEventId: contact?.nameEventId ?? null,
    contactIdentities: contact?.identities ?? null,
  }
}
