import type { CustomTypesConfig, Pool } from 'pg'
import type { AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { EventMeta, RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { StoreUnavailable, type LogFilter } from '../../../domain/kernel/event-store.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import type { Category, StreamRef } from '../../../domain/kernel/stream.ts'
import { SealBroken } from '../../../domain/kernel/vault.ts'
import { streamIdOf } from '../prepared.ts'
import { failureOf } from './failure.ts'

/** Events in order and how far was looked; `weight` is about how many bytes they are. */
export type Page = { readonly events: readonly RecordedEvent[]; readonly through: number; readonly weight: number }

/** The dense numbering has a hole: an event is missing from the log. Nothing that reads it may go on as if it were whole. */
export class LogHole extends Error {
  override readonly name = 'LogHole'
}

type Row = readonly (string | null)[]

/** Who is asked: connections as `recado_worker`, which see the log of everybody, or one tenant's wall (`tenant-log.ts`). */
export type Ask = (statement: {
  text: string
  values: unknown[]
  rowMode: 'array'
  types: CustomTypesConfig
  name?: string
}) => Promise<readonly unknown[]>
type Source = Pool | Ask

const rawText = { getTypeParser: () => (text: string | Buffer) => text }
/** A page ends with the event that reaches this: a thousand deliveries of 3 MB each would otherwise be one answer, and no process survives that. */
const pageBytes = 16 * 1024 * 1024
/** A bundle comes with the first event of the page that is in it. */
const body = {
  with: `a.position as bundle, case when row_number() over (partition by a.tenant_id, a.position order by e.position) = 1 then a.body end as body`,
  without: 'null::bigint as bundle, null::bytea as body',
}
const bodyBytes = { with: '+ coalesce(coalesce(a.weight, octet_length(a.body)) / a.members, 0)', without: '' }
// The last bundle at or before the event is the one that holds it, if one does: one look into the index. The month is asked for so that only its partition is.
const joined = {
  with: `left join lateral (
      select b.tenant_id, b.position, coalesce(b.through, b.position) as through, b.members, b.weight, b.body from es.attachments b
      where b.tenant_id = e.tenant_id and b.position <= e.position
        and b.recorded_at >= date_trunc('month', e.recorded_at, 'UTC') and b.recorded_at <= e.recorded_at
      order by b.position desc limit 1
    ) a on a.through >= e.position`,
  without: '',
}

/**
 * The next events, as many as the limit and `pageBytes` allow, always at least one. The running sum goes over sizes, which PostgreSQL knows without
 * fetching a body (of one that is compressed: its size when it is opened), and only the bodies of the events that are taken are read. The last column is
 * the sum up to here.
 */
function statement(attachments: boolean, { where, by, limit }: { where: string; by: 'position' | 'version'; limit: string }): string {
  const kind = attachments ? 'with' : 'without'
  return `select position, round(date_part('epoch', recorded_at) * 1000), tenant_id, stream_id, version, event_id, type, schema_version, data, metadata,
      bundle, body, upto
    from (
      select *, sum(bytes) over (order by ${by} rows unbounded preceding) as upto
      from (
        select e.*, ${body[kind]}, octet_length(e.data::text)::bigint ${bodyBytes[kind]} as bytes
        from (select * from es.events e where ${where} order by e.${by} limit ${limit}) e ${joined[kind]}
      ) sized
    ) summed
    where upto - bytes < ${pageBytes} order by ${by}`
}

/** Whether weight ended the page, and not the limit or the log. */
const isCut = (last: Row | undefined): boolean => Number(last?.[sumColumn] ?? 0) >= pageBytes
const sumColumn = 12

/** How far one statement looks for events of a filter: rare ones must not turn it into a scan of the whole log. A tenant's have an index. */
const windowOf = ({ tenantId }: LogFilter): number => (tenantId === undefined ? 50_000 : 1_000_000)

/** `tip`: how long the log is known to be, for who sees only a part of it. */
type PageRead = {
  readonly after: number
  readonly filter: LogFilter
  readonly limit: number
  readonly attachments?: AttachmentSeal | undefined
  readonly tip?: number
}

/** The next events of the log. With a filter, at most one window of it is looked at: no events does not mean the tip, `through` says how far it came. */
export async function readPage(source: Source, { after, filter, limit, attachments, tip }: PageRead): Promise<Page> {
  return filter.types === undefined && filter.tenantId === undefined
    ? readEverything(source, after, limit, attachments)
    : readFiltered(source, { after, filter, limit, attachments, tip: tip ?? 0 })
}

async function readEverything(source: Source, after: number, limit: number, attachments: AttachmentSeal | undefined): Promise<Page> {
  const rows = await query(source, statement(attachments !== undefined, { where: 'e.position > $1', by: 'position', limit: '$2' }), [after, limit])
  const last = rows.at(-1)?.[0]
  const through = last === undefined || last === null ? after : Number(last)
  // Positions have no gaps and nothing commits behind what is visible: n rows end n positions on, or something was lost.
  if (through !== after + rows.length)
    throw new LogHole(`the log has a hole between the positions ${after} and ${through}: ${rows.length} events are there`)
  return pageOf(rows, through, attachments)
}

async function readFiltered(source: Source, { after, filter, limit, attachments, tip: known }: PageRead & { tip: number }): Promise<Page> {
  const end = after + windowOf(filter)
  const values: unknown[] = [after, limit, end]
  const conditions: string[] = []
  if (filter.types !== undefined) conditions.push(`and e.type = any($${values.push(filter.types)})`)
  if (filter.tenantId !== undefined) conditions.push(`and e.tenant_id = $${values.push(filter.tenantId)}`)
  const where = `e.position > $1 and e.position <= $3 ${conditions.join(' ')}`
  const page = statement(attachments !== undefined, { where, by: 'position', limit: '$2' })
  // The tip comes from the same snapshot: what is not among the rows was not there when the window was looked at.
  const rows = await query(
    source,
    `select f.*, tip.position from (select coalesce(max(position), 0) as position from es.events) tip
     left join lateral (${page}) f on true order by f.position`,
    values,
  )
  const tip = Math.max(known, Number(rows[0]?.at(-1) ?? 0))
  const found = rows.filter((row) => row[0] !== null).map((row) => row.slice(0, -1))
  const last = found.at(-1)
  return pageOf(found, found.length === limit || isCut(last) ? Number(last?.[0]) : Math.max(after, Math.min(tip, end)), attachments)
}

const streamPage = 500
const latestVersion = 2_147_483_647
const endless = '9223372036854775807'

type StreamRead = { after?: number; upTo?: number; asOf?: Date | Position; attachments?: AttachmentSeal | undefined }

/** A stream's events, page by page. */
export async function* readStreamPages(
  source: Source,
  stream: StreamRef,
  { after = 0, upTo = latestVersion, asOf, attachments }: StreamRead,
): AsyncGenerator<readonly RecordedEvent[]> {
  const where = 'e.tenant_id = $1 and e.stream_id = $2 and e.version > $3 and e.version <= $4 and e.recorded_at <= $5 and e.position <= $6'
  const text = statement(attachments !== undefined, { where, by: 'version', limit: String(streamPage) })
  const name = `es.stream ${attachments === undefined ? 'without' : 'with'}`
  const [moment, position] = asOf instanceof Date ? [asOf.toISOString(), endless] : ['infinity', asOf ?? endless]
  for (let version = after; version < upTo;) {
    const values = [stream.tenantId, streamIdOf(stream), version, Math.min(upTo, latestVersion), moment, position]
    const rows = await query(source, text, values, name)
    const { events } = await pageOf(rows, 0, attachments)
    if (events.length > 0) yield events
    if (events.length < streamPage && !isCut(rows.at(-1))) return
    version = events.at(-1)?.version ?? upTo
  }
}

/** The first events of several streams, each after a version, in the order asked for. For short streams: nothing but `limit` bounds the answer. */
export async function readStreamHeads(
  source: Source,
  wanted: readonly { stream: StreamRef; after: number }[],
  limit: number,
): Promise<readonly (readonly RecordedEvent[])[]> {
  const text = `
    select e.position, round(date_part('epoch', e.recorded_at) * 1000), e.tenant_id, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
      e.data, e.metadata, null::bigint, null::bytea, 0, w.nth
    from unnest($1::uuid[], $2::text[], $3::int4[]) with ordinality as w (tenant_id, stream_id, after, nth)
    cross join lateral (
      select * from es.events s where s.tenant_id = w.tenant_id and s.stream_id = w.stream_id and s.version > w.after order by s.version limit ${limit}
    ) e
    order by w.nth, e.version`
  const rows = await query(
    source,
    text,
    [wanted.map(({ stream }) => stream.tenantId), wanted.map(({ stream }) => streamIdOf(stream)), wanted.map(({ after }) => after)],
    'es.streams',
  )
  const heads: RecordedEvent[][] = wanted.map(() => [])
  eventsOf(rows).forEach((event, at) => heads[Number(rows[at]?.at(-1)) - 1]?.push(event))
  return heads
}

export async function readHead(source: Source): Promise<{ position: number; recordedAt: Date | undefined }> {
  const text = "select position, round(date_part('epoch', recorded_at) * 1000) from es.events order by position desc limit 1"
  const [row] = await query(source, text, [], 'es.head')
  return row === undefined ? { position: 0, recordedAt: undefined } : { position: Number(row[0]), recordedAt: new Date(Number(row[1])) }
}

async function query(source: Source, text: string, values: readonly unknown[], name?: string): Promise<readonly Row[]> {
  try {
    const asked = { text, values: [...values], rowMode: 'array' as const, types: rawText, ...(name === undefined ? {} : { name }) }
    return (typeof source === 'function' ? await source(asked) : (await source.query(asked)).rows) as Row[]
  } catch (error) {
    if (failureOf(error) === 'refused') throw error
    throw new StoreUnavailable('connection', 'the event store cannot be reached', 2, { cause: error })
  }
}

async function pageOf(rows: readonly Row[], through: number, seal?: AttachmentSeal): Promise<Page> {
  const bare = eventsOf(rows)
  const events = seal === undefined ? bare : await withAttachments(bare, rows, seal)
  let weight = 0
  for (const row of rows) weight += (row[8]?.length ?? 0) + (row[9]?.length ?? 0) + 150
  for (const { attachment } of events) weight += attachment?.byteLength ?? 0
  return { events, through, weight }
}

const bundleColumn = 10
const bodyColumn = 11

/** Each bundle is opened once. An event whose bundle is gone or cannot be opened comes without: one body that is lost must not hold up what is behind it. */
async function withAttachments(events: readonly RecordedEvent[], rows: readonly Row[], seal: AttachmentSeal): Promise<readonly RecordedEvent[]> {
  const opened = new Map<string, ReadonlyMap<string, Uint8Array> | { readonly unreadable: string }>()
  for (const row of rows) {
    const body = row[bodyColumn]
    // bytea as text: \x and hex digits.
    if (typeof body !== 'string') continue
    const tenantId = row[2] ?? ''
    const sealed = Buffer.from(body.slice(2), 'hex')
    const found = await seal.open(tenantId, sealed, row[5] ?? undefined).catch((error: unknown) => {
      if (error instanceof SealBroken) return { unreadable: error.message }
      throw error
    })
    if (found !== 'erased') opened.set(bundleKey(row), found)
  }
  return events.map((event, at) => {
    const row = rows[at]
    const bundle = row === undefined ? undefined : opened.get(bundleKey(row))
    if (bundle === undefined) return event
    if ('unreadable' in bundle) return { ...event, unreadable: bundle.unreadable }
    const attachment = bundle.get(event.id)
    return attachment === undefined ? event : { ...event, attachment }
  })
}

const bundleKey = (row: Row): string => `${row[2]} ${row[bundleColumn]}`

const eventsOf = (rows: readonly Row[]): readonly RecordedEvent[] =>
  rows.map((row): RecordedEvent => {
    const [position, recordedMs, tenantId, streamId, version, id, type, schemaVersion, data, metadata] = row as readonly string[]
    const dash = streamId?.indexOf('-') ?? 0
    return {
      id: id ?? '',
      type: type ?? '',
      schemaVersion: Number(schemaVersion),
      data: JSON.parse(data ?? '{}') as Record<string, unknown>,
      meta: JSON.parse(metadata ?? '{}') as EventMeta,
      stream: { tenantId: tenantId ?? '', category: (streamId ?? '').slice(0, dash) as Category, id: (streamId ?? '').slice(dash + 1) },
      version: Number(version),
      position: positionOf(position ?? ''),
      recordedAt: new Date(Number(recordedMs)),
    }
  })
