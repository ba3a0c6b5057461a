import type { CommandContext } from './context.ts'
import type { NewEvent, RecordedEvent } from './envelope.ts'
import { eventId } from './ids.ts'
import { isSecret } from './secret.ts'
import type { StreamRef } from './stream.ts'
import { isCurrent, latestSchemaVersion, upcast } from './upcast.ts'
import type { Vault } from './vault.ts'

/**
 * Domain event → stored event: gives it its id, seals every secret for the event and field it stands in.
 * Secrets are top-level fields only, so none can hide deeper; `ensure` must have been awaited for the subject.
 */
export function toStored(
  event: { type: string },
  at: { stream: StreamRef; index: number; subject: string },
  context: CommandContext,
  vault: Pick<Vault, 'seal'>,
): NewEvent {
  const id = eventId(context.commandId, at.stream, at.index)
  const data: Record<string, unknown> = {}
  const fields = event as Readonly<Record<string, unknown>>
  for (const field of Object.keys(event)) {
    const value = fields[field]
    if (field === 'type' || value === undefined) continue
    data[field] =
      isSecret(value) && 'plain' in value
        ? { sealed: vault.seal({ tenantId: at.stream.tenantId, subject: at.subject, eventId: id, field }, value.plain) }
        : value
  }
  const { correlationId, causationId, actor, ip, traceparent } = context
  const more = { ...(ip === undefined ? {} : { ip }), ...(traceparent === undefined ? {} : { traceparent }) }
  const meta = { occurredAt: context.at.toISOString(), correlationId, causationId, actor, ...more }
  return { id, type: event.type, schemaVersion: latestSchemaVersion(event.type), data, meta }
}

/** Stored event → domain event of the newest version. Typed by the caller's category: what a stream holds was validated when it was decided. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one place where what the log holds gets its type back
export function fromStored<E extends { type: string }>(event: Pick<RecordedEvent, 'type' | 'schemaVersion' | 'data' | 'whole'>): E {
  const { type, schemaVersion } = event
  if (event.whole !== undefined && isCurrent(type)) return event.whole as E
  return { type, ...upcast(type, schemaVersion, event.data) } as unknown as E
}

export const hasSecrets = (event: object): boolean => Object.values(event).some((value) => isSecret(value) && 'plain' in value)
