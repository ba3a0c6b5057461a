import type { MessageView } from '../../projections/messages/queries.ts'
import type { Opener } from './opening.ts'
import type { MessageBody } from './schema.ts'

export type Content = NonNullable<MessageBody['content']>

/** The part of a row that says what a message says now. */
export type Said = Pick<MessageView, 'contactId' | 'eventId' | 'content' | 'type'> &
  Pick<MessageView, 'editedAt' | 'editType' | 'editContent' | 'editContactId' | 'editEventId' | 'revokedAt'>

/** What a message says now. `erased`: on purpose, with all else of the contact; `revoked`: by whoever wrote it. */
export type Shown = { readonly type: string } & (
  | { readonly state: 'shown'; readonly content: Content }
  | { readonly state: 'erased' }
  | { readonly state: 'revoked'; readonly at: Date }
)

/**
 * Of a revoked message nothing is opened, so nothing of it can be shown by mistake. An edit brings the new words of a text or a caption: what it does not
 * name of the same type (the file under the caption) stays. The first wording is in the log only.
 */
export async function shownNow(tenantId: string, row: Said, open: Opener): Promise<Shown> {
  const { type, revokedAt } = row
  if (revokedAt !== null) return { state: 'revoked', type, at: revokedAt }
  const [first, edit] = await Promise.all([
    open({ tenantId, subject: row.contactId, eventId: row.eventId, field: 'content' }, row.content),
    openEdit(tenantId, row, open),
  ])
  if (first === null || edit === null) return { state: 'erased', type }
  const content = JSON.parse(first) as Content
  if (edit === undefined) return { state: 'shown', type, content }
  const now = JSON.parse(edit.text) as Content
  return { state: 'shown', type: edit.type, content: edit.type === type ? { ...content, ...now, [type]: merged(content[type], now[type]) } : now }
}

async function openEdit(tenantId: string, row: Said, open: Opener): Promise<{ text: string; type: string } | null | undefined> {
  const { editContent, editContactId, editEventId, editType } = row
  if (editContent === null || editContactId === null || editEventId === null || editType === null) return undefined
  const text = await open({ tenantId, subject: editContactId, eventId: editEventId, field: 'content' }, editContent)
  return text === null ? null : { text, type: editType }
}

const merged = (before: unknown, now: unknown): unknown => (isRecord(before) && isRecord(now) ? { ...before, ...now } : (now ?? before))
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
