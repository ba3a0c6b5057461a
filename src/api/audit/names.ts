import { actorName, quoted, type Voice } from './sentences/voice.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getAlerts } from '../../projections/alerts/queries.ts'
import type { AuditRow } from '../../projections/audit/projection.ts'
import { getChannels } from '../../projections/channels/queries.ts'
import { getContacts } from '../../projections/contacts/queries.ts'
import { getConversations } from '../../projections/conversations/queries.ts'
import { getTemplates } from '../../projections/templates/queries.ts'
import { openPerson } from '../contacts/render.ts'
import type { Opener } from '../messages/opening.ts'

export type Entry = { readonly row: AuditRow; readonly event: RecordedEvent }
export type Named = { readonly voice: Voice; readonly label: string }
export type Names = (entry: Entry) => Named

const somebody = 'the customer'
const erased = 'an erased contact'

/**
 * What the things of a page are called today: looked up when somebody reads, a statement per kind of thing. Nothing of it is in the audit trail itself,
 * so a rename shows at once and an erased person has no name here either. Without `people`, customers have none at all.
 */
export async function namesOf(
  { reader, open }: { reader: TenantQueries; open: Opener },
  tenantId: string,
  entries: readonly Entry[],
  { people }: { people: boolean },
): Promise<Names> {
  const idsOf = (type: string): string[] => [
    ...new Set(entries.filter(({ row }) => row.entityType === type && row.entityId !== '').map(({ row }) => row.entityId)),
  ]
  const [channels, templates, alerts, customers] = await Promise.all([
    getChannels(reader, tenantId, idsOf('channel')),
    getTemplates(reader, tenantId, idsOf('template')),
    getAlerts(reader, tenantId, idsOf('alert')),
    people ? customersOf({ reader, open }, tenantId, entries) : new Map<string, string>(),
  ])
  const labels = new Map<string, string>([
    ...channels.map(({ id, name }) => [`channel ${id}`, name] as const),
    ...templates.map(({ id, name, language }) => [`template ${id}`, `${name} (${language})`] as const),
    ...alerts.map(({ id, title }) => [`alert ${id}`, title] as const),
  ])
  return ({ row, event }) => {
    const customer = customers.get(event.id) ?? somebody
    const label = labels.get(`${row.entityType} ${row.entityId}`)
    const person = row.entityType === 'conversation' || row.entityType === 'contact' ? customers.get(event.id) : undefined
    return {
      voice: { by: actorName(event.meta.actor), customer, thing: thing(row.entityType, label) },
      label: person ?? label ?? nameIn(event) ?? `${row.entityType.replaceAll('_', ' ')} ${row.entityId}`,
    }
  }
}

/** By event: the person it is about. */
async function customersOf(
  { reader, open }: { reader: TenantQueries; open: Opener },
  tenantId: string,
  entries: readonly Entry[],
): Promise<ReadonlyMap<string, string>> {
  const contactOf = new Map<string, string>()
  const conversations = new Map<string, string[]>()
  for (const { row, event } of entries) {
    const told = event.data['contactId']
    if (row.category === 'contact') contactOf.set(event.id, row.streamId)
    else if (typeof told === 'string') contactOf.set(event.id, told)
    else if (row.category === 'conversation') conversations.set(row.streamId, [...(conversations.get(row.streamId) ?? []), event.id])
  }
  for (const { id, contactId } of await getConversations(reader, tenantId, [...conversations.keys()])) {
    for (const eventId of conversations.get(id) ?? []) contactOf.set(eventId, contactId)
  }
  const contacts = await getContacts(reader, tenantId, [...new Set(contactOf.values())])
  const nameOf = new Map(
    await Promise.all(
      contacts.map(async (contact) => {
        const person = await openPerson(tenantId, contact, open)
        return [contact.id, person.name ?? person.phone ?? (person.erased === true ? erased : somebody)] as const
      }),
    ),
  )
  return new Map([...contactOf].map(([eventId, contactId]) => [eventId, nameOf.get(contactId) ?? somebody]))
}

const thing = (type: string, label: string | undefined): string =>
  label === undefined ? `the ${type.replaceAll('_', ' ')}` : `the ${type} ${quoted(label)}`

/** Names that only the event knows: of an organisation, of a key, of a template that the read model does not show (yet). */
function nameIn({ type, data }: RecordedEvent): string | undefined {
  if (!['TenantCreated', 'ApiKeyIssued', 'ChannelAdded', 'TemplateSubmitted', 'TemplateHeardOf'].includes(type)) return undefined
  return typeof data['name'] === 'string' ? data['name'] : undefined
}
