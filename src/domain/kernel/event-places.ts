import type { RecordedEvent } from './envelope.ts'
import type { StreamRef } from './stream.ts'

/** Where an event stands: what a read model keeps of it that does not keep the event. */
export type EventPlace = { readonly stream: StreamRef; readonly version: number }

/** The events at these places, in the same order; undefined where there is none. Behind the tenant's wall, like `TenantLogs`. */
export type EventsAt = (tenantId: string, places: readonly EventPlace[]) => Promise<readonly (RecordedEvent | undefined)[]>
