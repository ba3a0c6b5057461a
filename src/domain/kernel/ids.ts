import { v5 } from 'uuid'
import { streamName, type StreamRef } from './stream.ts'

/** Namespace of every id that Recado derives; never change it: ids of stored events come from it. */
const namespace = '6f1c1f0e-6f0b-5c53-9d3c-6a1e4b6f7a10'

/** The same parts always give the same uuid. Parts must not contain the separator U+001F. */
export const derivedId = (...parts: readonly string[]): string => v5(parts.join('\u001f'), namespace)

/** Event id: from the command, the stream and the event's place in it, so that a repeated command repeats its ids. */
export const eventId = (commandId: string, stream: StreamRef, index: number): string =>
  derivedId('event', commandId, streamName(stream), String(index))
