import type { Filter } from '@eventstore/db-client'
import type { LogFilter } from '../../../domain/kernel/event-store.ts'
import { categories } from '../../../domain/kernel/stream.ts'

import { packType } from './packs.ts'

/** Deliveries of all tenants stand together in these, their bodies in `raw-<shard>`, which nobody who follows the log wants to be sent. */
export const intakePrefix = 'intake-'

/**
 * What the server is asked for: more than the filter wants (types are prefixes to the server, packs hold events of many tenants and types), never less. A prefix list leaves out the server's own streams,
 * bodies, and what others keep in the same database.
 * The default window of 32 makes the server report 32 times as often as it reads; with 1,000 it looks through a log 50 times as fast.
 */
export function serverFilter({ tenantId, types }: LogFilter, checkpointReached: Filter['checkpointReached'], prefix = ''): Filter {
  const window = { maxSearchWindow: 1_000, checkpointInterval: 1, ...(checkpointReached === undefined ? {} : { checkpointReached }) }
  if (types !== undefined && types.length > 0) return { filterOn: 'eventType', prefixes: [...types, packType], ...window }
  const prefixes = categories.map((category) => (tenantId === undefined ? `${category}-` : `${category}-${tenantId.toLowerCase()}_`))
  return { filterOn: 'streamName', prefixes: [...prefixes, intakePrefix].map((name) => `${prefix}${name}`), ...window }
}
