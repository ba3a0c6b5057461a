import type { Pool } from 'pg'
import type { RawBodies } from '../../../commands/ports/raw-bodies.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import { pause } from '../../../postgres/pause.ts'

/** Raw bodies of one statement: some ten megabytes of them, gone in a fraction of a second. */
const batch = 500
/** Between two batches: nobody waits for this, and the webhooks write into the same table. */
const breathMs = 50

/**
 * Whole months at once where every tenant in them agrees, the others in small batches. Days are whole, so that a day has one line in es.attachment_purges.
 * @param pool connections of the role recado_worker
 */
export const createRawBodies = (pool: Pool): RawBodies => ({
  async purge(kept, position, signal) {
    const processed = BigInt(position).toString()
    const { rows } = await pool.query<{ month: string }>('select * from es.drop_attachment_months($1, $2, $3) as month', [
      binaryArray(
        'uuid',
        kept.map(({ tenantId }) => tenantId),
      ),
      binaryArray(
        'timestamptz',
        kept.map(({ before }) => before),
      ),
      processed,
    ])
    const months = rows.map(({ month }) => month)
    let bodies = 0
    for (const { tenantId, before } of kept) {
      for (;;) {
        const { rows: answer } = await pool.query<{ gone: number }>('select es.purge_attachments($1, $2, $3, $4) as gone', [
          tenantId,
          before,
          processed,
          batch,
        ])
        const gone = answer[0]?.gone ?? 0
        bodies += gone
        if (gone < batch) break
        if (!(await pause(breathMs, signal))) return { bodies, months }
      }
    }
    return { bodies, months }
  },
})
