import type { Pool } from 'pg'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import type { Statement } from '../../postgres/transaction.ts'

/**
 * How much of the log is in the events topic. Invariant: a record's position is at or before `through` if and only if its offset is before `ends` of its
 * partition. So one place serves both as "nothing is missing from this partition" and as the seam between reading the log and reading the topic.
 */
export type Watermark = { readonly through: Position; readonly ends: readonly number[] }

/** For the transaction of the publisher's checkpoint, which fences it. */
export const watermarkStatement = ({
  topic,
  through,
  ends,
}: {
  topic: string
  through: Position
  /** By partition, all of them: the offset behind the last record at or before `through`. */
  ends: readonly string[]
}): Statement => ({ name: 'topic_watermark', text: 'select es.raise_watermark($1, $2, $3)', values: [topic, through, [...ends]] })

export async function readWatermark(pool: Pool, topic: string): Promise<Watermark | undefined> {
  const { rows } = await pool.query<{ position: string; ends: string[] }>({
    name: 'topic_watermark_read',
    text: 'select position, ends::text[] as ends from es.topic_watermarks where topic = $1',
    values: [topic],
  })
  return rows[0] === undefined ? undefined : { through: positionOf(rows[0].position), ends: rows[0].ends.map(Number) }
}

/** As `es.raise_watermark` tells it. */
export function heardWatermark(payload: string): (Watermark & { readonly topic: string }) | undefined {
  const [topic, position, ends] = payload.split(' ')
  if (topic === undefined || position === undefined || ends === undefined || !/^\d+$/.test(position)) return undefined
  return { topic, through: positionOf(position), ends: ends === '' ? [] : ends.split(',').map(Number) }
}
