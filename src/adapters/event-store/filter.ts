import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { LogFilter } from '../../domain/kernel/event-store.ts'

export const matches = ({ tenantId, types }: LogFilter, event: RecordedEvent): boolean =>
  (tenantId === undefined || event.stream.tenantId === tenantId) && (types === undefined || types.includes(event.type))
