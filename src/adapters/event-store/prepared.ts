import type { Append, AppendResult } from '../../domain/kernel/event-store.ts'

/** An append that has been checked and written out as JSON, waiting for its commit. */
export type Prepared = {
  readonly append: Append
  /** `<category>-<id>`: the stream's name within its tenant. */
  readonly streamId: string
  /** The stream's name in the whole log. */
  readonly key: string
  readonly data: readonly string[]
  readonly metadata: readonly string[]
  /** Whether any of its events has an attachment. */
  readonly attached: boolean
  /** About how much it weighs: characters of JSON and bytes of attachments. */
  readonly weight: number
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const maxIdLength = 400
const maxVersion = 2_147_483_647

export const streamIdOf = ({ category, id }: { category: string; id: string }): string => `${category}-${id}`

/** What the database would refuse is refused here, where it fails its caller alone and not the batch it would have travelled with. */
function refuseMalformed({ stream, expected, events }: Append): void {
  if (!uuid.test(stream.tenantId)) throw new TypeError('the tenant of a stream is a uuid')
  if (stream.id.length === 0 || stream.id.length > maxIdLength || stream.id.includes('\0')) {
    throw new TypeError(`the id of a stream has 1 to ${maxIdLength} characters, U+0000 not among them`)
  }
  if (typeof expected === 'number' && !(Number.isInteger(expected) && expected >= 0 && expected <= maxVersion - events.length)) {
    throw new TypeError(`${expected} is not a version`)
  }
  if (events.length === 0) throw new TypeError('an append has at least one event')
  for (const event of events) {
    if (!uuid.test(event.id)) throw new TypeError('the id of an event is a uuid')
    if (event.type === '' || event.type.includes('\0')) throw new TypeError('the type of an event is a text without U+0000')
    if (!(Number.isInteger(event.schemaVersion) && event.schemaVersion > 0 && event.schemaVersion < 32_768)) {
      throw new TypeError(`${event.schemaVersion} is not a schema version`)
    }
  }
}

/** Written out at once, on the caller's time: what changes in the objects afterwards does not reach the log. @throws TypeError for a malformed append. */
export function prepare(append: Append, resolve: Prepared['resolve'], reject: Prepared['reject']): Prepared {
  refuseMalformed(append)
  const data: string[] = []
  const metadata: string[] = []
  let weight = 0
  let attached = false
  for (const event of append.events) {
    const json = JSON.stringify(event.data)
    const meta = JSON.stringify(event.meta)
    data.push(json)
    metadata.push(meta)
    weight += json.length + meta.length + 150
    if (event.attachment === undefined) continue
    attached = true
    weight += event.attachment.byteLength
  }
  const streamId = streamIdOf(append.stream)
  return { append, streamId, key: `${append.stream.tenantId}/${streamId}`, data, metadata, attached, weight, resolve, reject }
}
