import type { DomainEvent } from '../../domain/catalogue.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { isSecret } from '../../domain/kernel/secret.ts'

export type FieldChange = { readonly before?: unknown; readonly after?: unknown }
export type Changes = Readonly<Record<string, FieldChange>>

const to = (after: unknown): FieldChange => ({ after })
const all = (fields: object): Changes =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined && !isSecret(value))
      .map(([name, after]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), to(after)]),
  )

/** What an event says that it changed, by field of the API; what was there before only where the event itself says it. */
export function changesOf(recorded: RecordedEvent): Changes | undefined {
  const event = fromStored<DomainEvent>(recorded)
  switch (event.type) {
    case 'TenantChanged': {
      const { type: _, settings, ...fields } = event
      return { ...all(fields), ...Object.fromEntries(Object.entries(settings ?? {}).map(([name, value]) => [`settings.${name}`, to(value)])) }
    }
    case 'TenantSuspended':
      return { status: to('suspended') }
    case 'TenantResumed':
      return { status: { before: 'suspended', after: 'active' } }
    case 'TenantClosed':
      return { status: to('closed') }
    case 'ChannelRenamed':
      return { name: to(event.name) }
    case 'ChannelNumberChanged':
      return all(event.facts)
    case 'ChannelProfileChanged':
      return all(event.profile)
    case 'ContactConsentChanged':
      return { [`consents.${event.purpose}`]: to(event.granted) }
    case 'ConversationSnoozed':
      return { status: to('snoozed'), snoozed_until: to(event.until) }
    case 'ConversationReopened':
      return { status: event.by === 'timer' ? { before: 'snoozed', after: 'open' } : to('open') }
    case 'ConversationMarkedPending':
      return { status: to('pending') }
    case 'ConversationResolved':
      return { status: to('resolved') }
    case 'ConversationRead':
      return { unread_count: to(event.unread) }
    case 'MessageStatusChanged':
      return { status: to(event.status) }
    case 'SendResolved':
      return { status: { before: 'unknown', after: event.as } }
    case 'TemplateStatusChanged':
    case 'TemplateEdited':
      return { status: to(event.status) }
    case 'TemplateSynced':
      return { status: to(event.status), category: to(event.definition.category) }
    case 'TemplateQualityChanged':
      return { quality: to(event.quality) }
    case 'TemplateCategoryChanged':
      return event.from === undefined ? { category: to(event.category) } : undefined
    default:
      return undefined
  }
}
