import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { foldRows, viewOf } from '../engine/as-of.ts'
import { changesId, messageChanges } from './projection.ts'
import type { JoinedChanges, MessageChangesView } from './queries.ts'

const untouched: JoinedChanges = {
  reactions: null,
  editedAt: null,
  editType: null,
  editContent: null,
  editContactId: null,
  editEventId: null,
  revokedAt: null,
  changedVersion: null,
}

/** What these events of a conversation say of what became of its messages, as readers of messages join it. */
export function changesAsOf(events: readonly RecordedEvent[]): (channelId: string, providerId: string | null) => JoinedChanges {
  const rows = foldRows(messageChanges, events)
  return (channelId, providerId) => {
    const row = providerId === null ? undefined : rows.get(changesId(channelId, providerId))
    if (row === undefined) return untouched
    const { reactions, editedAt, editType, editContent, editContactId, editEventId, revokedAt, changedVersion } = viewOf<MessageChangesView>(
      messageChanges,
      row,
    )
    return { reactions, editedAt, editType, editContent, editContactId, editEventId, revokedAt, changedVersion }
  }
}
