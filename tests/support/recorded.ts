import type { DomainEvent } from '../../src/domain/catalogue.ts'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import { derivedId } from '../../src/domain/kernel/ids.ts'
import { positionOf } from '../../src/domain/kernel/position.ts'
import { streamName, type StreamRef } from '../../src/domain/kernel/stream.ts'

const epoch = Date.parse('2026-01-01T12:00:00.000Z')

/** The moment at which the event at a position was recorded in a log made by `recordedLog`: one second after the one before. */
export const recordedAt = (position: number): Date => new Date(epoch + position * 1_000)

/** A log as a store would give it back: dense positions, versions per stream, one second between two events. */
export function recordedLog(happened: readonly (readonly [StreamRef, DomainEvent])[]): RecordedEvent[] {
  const versions = new Map<string, number>()
  return happened.map(([stream, event], index) => {
    const { type, ...data } = event
    const name = streamName(stream)
    const version = (versions.get(name) ?? 0) + 1
    versions.set(name, version)
    const moment = recordedAt(index + 1)
    return {
      id: derivedId('event', name, String(version)),
      type,
      schemaVersion: 1,
      data,
      meta: { occurredAt: moment.toISOString(), correlationId: 'correlation', causationId: 'cause', actor: { kind: 'process', id: 'test' } },
      stream,
      version,
      position: positionOf(index + 1),
      recordedAt: moment,
    }
  })
}
