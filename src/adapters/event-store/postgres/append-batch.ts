import type { ClientBase } from 'pg'
import type { Attached, AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { Expected } from '../../../domain/kernel/event-store.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import type { Prepared } from '../prepared.ts'

/** What the database decides as one append: the appends of one or, when they expect nothing, several callers, one behind the other. */
export type Unit = {
  readonly key: string
  readonly expected: Expected
  readonly callers: readonly Prepared[]
  readonly events: number
  readonly weight: number
}

export type UnitOutcome =
  | { readonly outcome: 'appended'; readonly versionBefore: number; readonly positionBefore: number }
  | { readonly outcome: 'duplicate'; readonly version: number; readonly position: number }
  | { readonly outcome: 'conflict'; readonly version: number }

export type BatchOutcome = { readonly recordedAt: number; readonly units: readonly UnitOutcome[] }

type Row = { head: string; recorded_ms: string; versions: string; repeated: string | null; repeated_at: string | null }

const rawText = { getTypeParser: () => (text: string | Buffer) => text }

const text = 'select head, recorded_ms, versions, repeated, repeated_at from es.append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)'

/**
 * One round trip and one commit for all of them. Nothing of the batch is stored when the server refuses it;
 * when the connection breaks or `timeoutMs` passes, nobody knows.
 */
export async function appendBatch(
  client: ClientBase,
  units: readonly Unit[],
  options: { now: Date | null; timeoutMs: number; seal: AttachmentSeal },
): Promise<BatchOutcome> {
  for (const { callers } of units)
    for (const { append, attached } of callers)
      if (attached && !options.seal.has(append.stream.tenantId)) await options.seal.ensure(append.stream.tenantId)
  const config = { name: 'es.append', text, values: parameters(units, options), types: rawText, query_timeout: options.timeoutMs }
  const { rows } = await client.query<Row>(config)
  const [row] = rows
  if (row === undefined) throw new Error('es.append answers with one row')
  return outcomes(units, row)
}

const expectedCode = (expected: Expected): number => (expected === 'any' ? -2 : expected === 'exists' ? -1 : expected)

function parameters(units: readonly Unit[], { now, seal }: { now: Date | null; seal: AttachmentSeal }): unknown[] {
  const tenants: string[] = []
  const streams: string[] = []
  const expected: number[] = []
  const counts: number[] = []
  const numbers: number[] = []
  const places: number[] = []
  const ids: string[] = []
  const types: string[] = []
  const schemaVersions: number[] = []
  const data: string[] = []
  const metadata: string[] = []
  const attached: number[] = []
  const bundled: number[] = []
  const bundles = createBundles()
  for (const [index, unit] of units.entries()) {
    const [first] = unit.callers
    if (first === undefined) throw new Error('a unit has a caller')
    const { tenantId } = first.append.stream
    tenants.push(tenantId)
    streams.push(first.streamId)
    expected.push(expectedCode(unit.expected))
    counts.push(unit.events)
    let place = 0
    for (const caller of unit.callers) {
      for (const [at, event] of caller.append.events.entries()) {
        numbers.push(index + 1)
        places.push(++place)
        ids.push(event.id)
        types.push(event.type)
        schemaVersions.push(event.schemaVersion)
        data.push(caller.data[at] ?? '{}')
        metadata.push(caller.metadata[at] ?? '{}')
        if (event.attachment === undefined) continue
        attached.push(ids.length)
        bundled.push(bundles.add(tenantId, { eventId: event.id, bytes: event.attachment }))
      }
    }
  }
  return [
    binaryArray('uuid', tenants),
    binaryArray('text', streams),
    binaryArray('int4', expected),
    binaryArray('int4', counts),
    binaryArray('int4', numbers),
    binaryArray('int4', places),
    binaryArray('uuid', ids),
    binaryArray('text', types),
    binaryArray('int4', schemaVersions),
    binaryArray('json', data),
    binaryArray('json', metadata),
    binaryArray('int4', attached),
    binaryArray('int4', bundled),
    binaryArray('bytea', bundles.sealed(seal)),
    binaryArray('int4', bundles.weights()),
    now,
  ]
}

/** Whoever opens one attachment opens its whole bundle: above this a new one is begun. */
const bundleBytes = 256 * 1024

/** What a batch attaches, by tenant. */
function createBundles() {
  const all: { readonly tenantId: string; readonly attached: Attached[]; bytes: number }[] = []
  /** The number of each tenant's present one. */
  const present = new Map<string, number>()
  return {
    /** The number of its bundle, from 1. */
    add(tenantId: string, one: Attached): number {
      const number = present.get(tenantId) ?? 0
      const bundle = all[number - 1]
      if (bundle !== undefined && bundle.bytes + one.bytes.byteLength <= bundleBytes) {
        bundle.attached.push(one)
        bundle.bytes += one.bytes.byteLength
        return number
      }
      present.set(tenantId, all.push({ tenantId, attached: [one], bytes: one.bytes.byteLength }))
      return all.length
    },
    sealed: (seal: AttachmentSeal): Uint8Array[] => all.map(({ tenantId, attached }) => seal.seal(tenantId, attached, 'squeezed')),
    weights: (): number[] => all.map(({ bytes }) => bytes),
  }
}

function outcomes(units: readonly Unit[], row: Row): BatchOutcome {
  const versions = integers(row.versions)
  const repeatedAt = new Map(zip(integers(row.repeated), integers(row.repeated_at)))
  let position = Number(row.head)
  const decided = units.map((unit, index): UnitOutcome => {
    const found = versions[index]
    if (found === undefined) throw new Error('es.append answers for every append')
    if (found >= 0) {
      const positionBefore = position
      position += unit.events
      return { outcome: 'appended', versionBefore: found, positionBefore }
    }
    const repeated = repeatedAt.get(index + 1)
    if (repeated === undefined) return { outcome: 'conflict', version: -1 - found }
    return { outcome: 'duplicate', version: Number(unit.expected) + unit.events, position: repeated }
  })
  return { recordedAt: Number(row.recorded_ms), units: decided }
}

/** `{1,2,3}` as numbers. */
const integers = (array: string | null): number[] => (array === null || array === '{}' ? [] : array.slice(1, -1).split(',').map(Number))

const zip = (a: readonly number[], b: readonly number[]): [number, number][] => a.map((value, index) => [value, b[index] ?? 0])
