import { csvLine } from '../../http/csv.ts'
import type { ExportedEvent, Pages } from './exported-event.ts'
import { parquet } from './parquet.ts'

export const exportFormats = ['ndjson', 'csv', 'parquet'] as const
export type ExportFormat = (typeof exportFormats)[number]

type Format = { readonly contentType: string; readonly encode: (pages: Pages) => AsyncIterable<string | Uint8Array> }

/** Each is made as the reader takes it: what is in memory is a page, or a row group of Parquet. */
export const formats: Readonly<Record<ExportFormat, Format>> = {
  ndjson: { contentType: 'application/x-ndjson', encode: ndjson },
  csv: { contentType: 'text/csv; charset=utf-8', encode: csv },
  parquet: { contentType: 'application/vnd.apache.parquet', encode: parquet },
}

async function* ndjson(pages: Pages): AsyncGenerator<string> {
  for await (const events of pages) if (events.length > 0) yield events.map((event) => `${JSON.stringify(event)}\n`).join('')
}

const columns: readonly (readonly [string, (event: ExportedEvent) => string | number | undefined])[] = [
  ['position', ({ position }) => position],
  ['id', ({ id }) => id],
  ['type', ({ type }) => type],
  ['schema_version', (event) => event.schema_version],
  ['tenant_id', (event) => event.tenant_id],
  ['category', ({ stream }) => stream.category],
  ['stream_id', ({ stream }) => stream.id],
  ['version', ({ version }) => version],
  ['occurred_at', (event) => event.occurred_at],
  ['recorded_at', (event) => event.recorded_at],
  ['actor_kind', ({ actor }) => actor.kind],
  ['actor_id', ({ actor }) => actor.id],
  ['actor_name', ({ actor }) => actor.name],
  ['correlation_id', (event) => event.correlation_id],
  ['causation_id', (event) => event.causation_id],
  ['data', ({ data }) => JSON.stringify(data)],
]

async function* csv(pages: Pages): AsyncGenerator<string> {
  yield csvLine(columns.map(([name]) => name))
  for await (const events of pages) if (events.length > 0) yield events.map((event) => csvLine(columns.map(([, value]) => value(event)))).join('')
}
