import type { EventBody } from '../render.ts'

/** An event as exports have it: as the API shows it, and whose it is. */
export type ExportedEvent = EventBody & { readonly tenant_id: string }
export type Pages = AsyncIterable<readonly ExportedEvent[]>
