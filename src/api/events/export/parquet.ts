import { ByteWriter, ParquetWriter, schemaFromColumnData, type ColumnSource } from 'hyparquet-writer'
import type { ExportedEvent, Pages } from './exported-event.ts'

/** A row group ends with the event that reaches one of these: it is in memory as a whole, once as events and once as bytes. */
const groupEvents = 20_000
const groupCharacters = 16 * 1024 * 1024

type Column = {
  readonly name: string
  readonly type: NonNullable<ColumnSource['type']>
  readonly nullable: boolean
  readonly value: (event: ExportedEvent) => unknown
}

const text = (name: string, value: (event: ExportedEvent) => string | undefined, nullable = false): Column => ({
  name,
  type: 'STRING',
  nullable,
  value,
})
const moment = (name: string, value: (event: ExportedEvent) => string): Column => ({
  name,
  type: 'TIMESTAMP',
  nullable: false,
  value: (event) => new Date(value(event)),
})

const columns: readonly Column[] = [
  { name: 'position', type: 'INT64', nullable: false, value: ({ position }) => BigInt(position) },
  text('id', ({ id }) => id),
  text('type', ({ type }) => type),
  { name: 'schema_version', type: 'INT32', nullable: false, value: (event) => event.schema_version },
  text('tenant_id', (event) => event.tenant_id),
  text('category', ({ stream }) => stream.category),
  text('stream_id', ({ stream }) => stream.id),
  { name: 'version', type: 'INT32', nullable: false, value: ({ version }) => version },
  moment('occurred_at', (event) => event.occurred_at),
  moment('recorded_at', (event) => event.recorded_at),
  text('actor_kind', ({ actor }) => actor.kind),
  text('actor_id', ({ actor }) => actor.id),
  text('actor_name', ({ actor }) => actor.name, true),
  text('correlation_id', (event) => event.correlation_id),
  text('causation_id', (event) => event.causation_id),
  { name: 'data', type: 'JSON', nullable: false, value: ({ data }) => data },
]

const sources = (events: readonly ExportedEvent[]): ColumnSource[] =>
  columns.map(({ name, type, nullable, value }) => ({ name, type, nullable, data: events.map(value) as never }))

/** Parquet in row groups, each sent before the next one is begun; the footer that says where they are comes last. */
export async function* parquet(pages: Pages): AsyncGenerator<Uint8Array> {
  const bytes = new ByteWriter()
  const writer = new ParquetWriter({ writer: bytes, schema: schemaFromColumnData({ columnData: sources([]) }), createdBy: 'recado' })
  // `offset` goes on counting over what was taken out: the footer's places are those of the whole file.
  const taken = (): Uint8Array => {
    const written = bytes.getBytes().slice()
    bytes.index = 0
    return written
  }
  let held: ExportedEvent[] = []
  let characters = 0
  async function group(): Promise<Uint8Array> {
    await writer.write({ columnData: sources(held), rowGroupSize: Math.max(1, held.length) })
    held = []
    characters = 0
    return taken()
  }
  for await (const events of pages) {
    for (const event of events) {
      held.push(event)
      characters += JSON.stringify(event.data).length
      if (held.length >= groupEvents || characters >= groupCharacters) yield await group()
    }
  }
  if (held.length > 0) yield await group()
  await writer.finish()
  yield taken()
}
