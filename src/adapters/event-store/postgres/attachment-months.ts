import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'

const everyMs = 6 * 60 * 60 * 1000

/** Makes the next months' partitions of es.attachments, now and a few times a day. Nothing depends on it: the default partition takes what comes too early. */
export function keepMonthsAhead(pool: Pool, signal: AbortSignal): void {
  const keep = async (): Promise<void> => {
    while (!signal.aborted) {
      await pool.query('select es.prepare_attachment_months()').catch(() => undefined)
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
  void keep()
}
