import type { Pool } from 'pg'
import { noAttachments, type AttachmentSeal } from '../../../domain/kernel/attachments.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { ImportRefused, type LogImport } from '../../../domain/kernel/log-import.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { streamIdOf } from '../prepared.ts'

const text = 'select es.import_events($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)'

/** @param pool the owner's: nobody else may write events of another time. */
export const createPostgresImport = ({ pool, attachments: seal = noAttachments }: { pool: Pool; attachments?: AttachmentSeal }): LogImport => ({
  async write(events) {
    if (events.length === 0) return
    const tenants = new Set(events.filter(({ attachment }) => attachment !== undefined).map(({ stream }) => stream.tenantId))
    await Promise.all([...tenants].map(async (tenantId) => seal.ensure(tenantId)))
    try {
      await pool.query(text, columns(events, seal))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'RC002') throw new ImportRefused(error.message, { cause: error })
      throw error
    }
  },
})

function columns(events: readonly RecordedEvent[], seal: AttachmentSeal): unknown[] {
  const attached: number[] = []
  const bodies: Uint8Array[] = []
  for (const [index, { id, stream, attachment }] of events.entries()) {
    if (attachment === undefined) continue
    attached.push(index + 1)
    bodies.push(seal.seal(stream.tenantId, [{ eventId: id, bytes: attachment }]))
  }
  const of = <T>(value: (event: RecordedEvent) => T): T[] => events.map((event) => value(event))
  return [
    binaryArray(
      'uuid',
      of(({ stream }) => stream.tenantId),
    ),
    binaryArray(
      'text',
      of(({ stream }) => streamIdOf(stream)),
    ),
    binaryArray(
      'int4',
      of(({ version }) => version),
    ),
    binaryArray(
      'uuid',
      of(({ id }) => id),
    ),
    binaryArray(
      'text',
      of(({ type }) => type),
    ),
    binaryArray(
      'int4',
      of(({ schemaVersion }) => schemaVersion),
    ),
    binaryArray(
      'timestamptz',
      of(({ recordedAt }) => recordedAt),
    ),
    binaryArray(
      'json',
      of(({ data }) => JSON.stringify(data)),
    ),
    binaryArray(
      'json',
      of(({ meta }) => JSON.stringify(meta)),
    ),
    binaryArray('int4', attached),
    binaryArray('bytea', bodies),
  ]
}
