import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import { messageChanges, type MessageChangesRow, type ReactionEntry } from './projection.ts'

export type MessageChangesView = Read<MessageChangesRow, { readonly reactions: readonly ReactionEntry[] }>
/** What readers of messages join: everything but the name of the row, null where nothing happened. */
type Joined = Pick<
  MessageChangesView,
  'reactions' | 'editedAt' | 'editType' | 'editContent' | 'editContactId' | 'editEventId' | 'revokedAt' | 'changedVersion'
>
export type JoinedChanges = { readonly [Column in keyof Joined]: Joined[Column] | null }

export type ChangesTables = { 'rm_message_changes.message_changes': ReadTable<MessageChangesView> }

const { reactions, editedAt, editType, editContent, editContactId, editEventId, revokedAt, changedVersion } = messageChanges.table.columns

/** For the select of whoever joins the table under this alias. */
export const joinedChanges = <Alias extends string>(alias: Alias) =>
  selection<Joined, Alias>({ columns: { reactions, editedAt, editType, editContent, editContactId, editEventId, revokedAt, changedVersion } }, alias)
