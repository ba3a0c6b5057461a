import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ExportedEvent } from '../api/events/export/exported-event.ts'
import { formats, type ExportFormat } from '../api/events/export/formats.ts'
import { renderEvent } from '../api/events/render.ts'
import type { Config } from '../config.ts'
import { start } from '../domain/kernel/position.ts'
import { createMeter } from './meter.ts'
import { openReading, placeOf } from './reading.ts'
import { CommandRefused } from './refused.ts'
import { openTools } from './tools.ts'

export type ExportOptions = {
  readonly tenant?: string
  readonly type?: string
  readonly from?: string
  readonly to?: string
  readonly format: ExportFormat
  readonly out?: string
  readonly reveal?: boolean
}

/** `recado export events`: the log, or a part of it, as it stands now. A file appears under its name when it is whole. */
export async function exportEvents(config: Config, options: ExportOptions): Promise<void> {
  const { tenant, format, out, reveal = false } = options
  if (format === 'parquet' && out === undefined && process.stdout.isTTY)
    throw new CommandRefused('Parquet is nothing to look at: name a file with --out.')
  const tools = await openTools(config)
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    // Before the entry about this very export is written: what is exported is the log as it was when it was asked for.
    const head = (await tools.store.head()).position
    const after = (await placeOf(tools, options.from)) ?? start
    const to = (await placeOf(tools, options.to)) ?? head
    const through = to < head ? to : head
    const types = options.type?.split(',').map((type) => type.trim())
    const filter = Object.fromEntries(
      Object.entries({ ...options, reveal: String(reveal) }).filter(
        (pair): pair is [string, string] => typeof pair[1] === 'string' && pair[0] !== 'out',
      ),
    )
    const reading = await openReading(config, tools, { tenant, reveal, access: { what: 'events_exported', filter }, request: 'recado export events' })
    const meter = createMeter(`Exporting ${format}`, Number(after), Number(through))
    async function* pages(): AsyncGenerator<readonly ExportedEvent[]> {
      for await (const page of tools.scan({ after, through, types, tenantId: reading.tenantId, signal: stopping.signal })) {
        const events = reading.reveal === undefined ? page.events : await reading.reveal(page.events)
        yield events.map((event) => ({ tenant_id: event.stream.tenantId, ...renderEvent(event) }))
        meter.move(Number(page.through), page.events.length)
      }
    }
    const content = Readable.from(formats[format].encode(pages()), { objectMode: false })
    if (out === undefined) await pipeline(content, process.stdout, { end: false })
    else await toFile(content, out)
    meter.end()
  } finally {
    await tools.close()
  }
}

async function toFile(content: Readable, file: string): Promise<void> {
  const draft = `${file}.part`
  try {
    // Personal data may be in it: for its owner's eyes.
    await pipeline(content, createWriteStream(draft, { mode: 0o600 }))
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
