import type { IHeaders, KafkaMessage } from 'kafkajs'
import type { EventMeta, RecordedEvent } from '../../domain/kernel/envelope.ts'
import { parsePosition, type Position } from '../../domain/kernel/position.ts'
import { categories, streamRef, type Category } from '../../domain/kernel/stream.ts'

/** What can be told of a record without reading its value. */
export type RecordHead = { readonly type: string; readonly position: Position }

/** Undefined for a record that the publisher did not write. */
export function headOf({ headers = {} }: KafkaMessage): RecordHead | undefined {
  const type = text(headers, 'ce_type')
  const position = parsePosition(text(headers, 'ce_position') ?? '')
  return type === undefined || position === undefined ? undefined : { type, position }
}

/**
 * The event as the log has it, the other way round than `recordOf`. Undefined when the record only keeps its place, being too large for the broker.
 * @throws when it is none that the publisher wrote: to be looked at, for an event would be missing.
 */
export function decodeRecord({ offset, value, headers = {} }: Pick<KafkaMessage, 'offset' | 'value' | 'headers'>): RecordedEvent | undefined {
  if (value === null) return undefined
  const need = (name: string): string => {
    const found = text(headers, name)
    if (found === undefined) throw new Error(`the record at offset ${offset} has no ${name}`)
    return found
  }
  const category = need('ce_category')
  const position = parsePosition(need('ce_position'))
  const recordedAt = new Date(need('ce_recordedtime'))
  if (!isCategory(category) || position === undefined || Number.isNaN(recordedAt.getTime()))
    throw new Error(`the record at offset ${offset} is not one of the log`)
  const { data, meta } = JSON.parse(value.toString()) as { data: Record<string, unknown>; meta: EventMeta }
  return {
    id: need('ce_id'),
    type: need('ce_type'),
    schemaVersion: Number(need('ce_schemaversion')),
    data,
    meta,
    stream: streamRef(category, need('ce_tenant'), need('ce_subject')),
    version: Number(need('ce_version')),
    position,
    recordedAt,
  }
}

function text(headers: IHeaders, name: string): string | undefined {
  const found = headers[name]
  return found === undefined || Array.isArray(found) ? undefined : found.toString()
}

const isCategory = (word: string): word is Category => (categories as readonly string[]).includes(word)
