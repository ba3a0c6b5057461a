import { EventStoreDBClient, jsonEvent, type JSONEventType } from '@eventstore/db-client'
import { randomUUID } from 'node:crypto'
import { vi } from 'vitest'
import { startDouble, type Double, type DoubleOptions } from './double.ts'

/** Any value: an insecure server ignores it, and the client takes the classic path for it. */
export const credentials = { username: 'admin', password: 'changeit' }
export const paths = [
  ['batch', {}],
  ['classic', { credentials }],
] as const

/**
 * The facts of EventStoreDB are asked of the double, and of a real server as well where EVENTSTOREDB_URL names one: what holds there and not here
 * is a mistake of the double. Streams are named afresh, for a real log remembers.
 */
export async function startHouse(options: DoubleOptions = {}) {
  const real = process.env['EVENTSTOREDB_URL']
  const double = real === undefined ? await startDouble(options) : undefined
  const client = EventStoreDBClient.connectionString(real ?? double?.url ?? '')
  return {
    client,
    isReal: real !== undefined,
    stop: async (): Promise<void> => {
      await client.dispose()
      await double?.stop()
    },
  }
}

/** A double of one's own, told to misbehave; never a real server. */
export async function startPlayground(
  options: DoubleOptions = {},
): Promise<{ client: EventStoreDBClient; double: Double; stop: () => Promise<void> }> {
  const double = await startDouble(options)
  const client = EventStoreDBClient.connectionString(double.url)
  return {
    client,
    double,
    stop: async () => {
      await client.dispose()
      await double.stop()
    },
  }
}

export const aStream = (name = 'stream'): string => `${name}-${randomUUID()}`
type Note = JSONEventType<string, { note: string | number }>
export const note = (text: string | number = 'a note', id: string = randomUUID(), type = 'Noted') =>
  jsonEvent<Note>({ id, type, data: { note: text } })
export const notes = (count: number, first = 0) => Array.from({ length: count }, (_, at) => note(first + at))

export async function allOf<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of stream) found.push(item)
  return found
}
export const textsOf = (events: readonly { event?: { data: unknown } }[]): unknown[] =>
  events.map(({ event }) => (event?.data as { note: unknown } | undefined)?.note)

/** How a promise fails, for assertions on the shape of an error. */
export async function failure(work: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await work
  } catch (cause) {
    return cause as Error & Record<string, unknown>
  }
  throw new Error('expected it to fail')
}

/** Until it holds, for as long as a busy machine may need: vitest's own patience is a second. */
export const eventually = async <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 60_000, interval: 10 })
