import type { Call } from '../http/call.ts'
import { csvLine } from '../http/csv.ts'
import { streamText } from '../http/streaming.ts'
import { listAudit, type AuditFilter } from '../../projections/audit/queries.ts'
import { renderAudit, type AuditReading, type EntryBody } from './render.ts'

export const exportFormats = ['ndjson', 'csv'] as const
export type ExportFormat = (typeof exportFormats)[number]

const rowsAtOnce = 500

const columns: readonly (readonly [string, (one: EntryBody) => string | undefined])[] = [
  ['id', (one) => one.id],
  ['at', (one) => one.at],
  ['actor_kind', (one) => one.actor.kind],
  ['actor_id', (one) => one.actor.id],
  ['actor_name', (one) => one.actor.name],
  ['action', (one) => one.action],
  ['entity_type', (one) => one.entity.type],
  ['entity_id', (one) => one.entity.id],
  ['entity_label', (one) => one.entity.label],
  ['summary', (one) => one.summary],
  ['changes', ({ changes }) => (changes === undefined ? undefined : JSON.stringify(changes))],
  ['correlation_id', (one) => one.correlation_id],
  ['causation_id', (one) => one.causation_id],
  ['position', (one) => one.position],
  ['ip', (one) => one.ip],
]

/** The whole of what the filter finds, a page of rows at a time. What is appended meanwhile is newer than its beginning and not part of it. */
export async function exportAudit(
  reading: AuditReading,
  { tenantId, res }: Pick<Call<unknown, unknown, unknown>, 'tenantId' | 'res'>,
  { format, filter, people }: { format: ExportFormat; filter: AuditFilter; people: boolean },
): Promise<void> {
  async function* chunks(): AsyncGenerator<string> {
    if (format === 'csv') yield csvLine(columns.map(([name]) => name))
    for (let cursor: string | undefined; ;) {
      const page = await listAudit(reading.reader, tenantId, { ...filter, cursor, limit: rowsAtOnce })
      const entries = await renderAudit(reading, tenantId, page.rows, { people })
      if (entries.length > 0) yield entries.map((one) => lineOf(one, format)).join('')
      if (page.nextCursor === undefined) return
      cursor = page.nextCursor
    }
  }
  res
    .status(200)
    .type(format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson')
    .set('Content-Disposition', `attachment; filename="audit.${format}"`)
  await streamText(res, chunks())
}

const lineOf = (one: EntryBody, format: ExportFormat): string =>
  format === 'csv' ? csvLine(columns.map(([, value]) => value(one))) : `${JSON.stringify(one)}\n`
