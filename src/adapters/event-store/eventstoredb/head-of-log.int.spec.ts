import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { someEvents } from '../../../../tests/support/events.ts'
import { note, credentials } from '../../../../tests/support/eventstoredb-double/house.ts'
import { eventStoreDbServer, type EventStoreDbServer } from '../../../../tests/support/eventstoredb-server.ts'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import { createConnection, type Connection } from './connection.ts'
import { createEventStoreDbEventStore } from './event-store.ts'
import { createHead } from './head-of-log.ts'
import { createKnowledge } from './knowledge.ts'
import { logOf } from './naming.ts'
import { createPhysical } from './physical.ts'

const theirs = 2_500

describe('the end of a log on a server that others use too', () => {
  let server: EventStoreDbServer
  let others: EventStoreDBClient
  let connection: Connection
  const closing = new AbortController()
  beforeAll(async () => {
    server = await eventStoreDbServer()
    others = EventStoreDBClient.connectionString(logOf(server.url).url)
    connection = createConnection({ url: server.url })
  })
  afterAll(async () => {
    closing.abort()
    await connection.close()
    await others.dispose()
    await server.stop()
  })

  async function othersWrite(): Promise<void> {
    const stream = `theirs-${randomUUID()}`
    for (let at = 0; at < theirs; at += 500)
      await others.appendToStream(
        stream,
        Array.from({ length: 500 }, () => note()),
        { credentials },
      )
  }

  /** As a process finds it that has just been started; and how many events it read backwards for it. */
  async function look(): Promise<{ position: Position; passed: number }> {
    let passed = 0
    const physical = createPhysical({ connection, closing: closing.signal })
    const head = createHead({
      connection,
      knowledge: createKnowledge(),
      physical: {
        ...physical,
        backwards: (take, limit) =>
          physical.backwards((resolved) => {
            passed++
            return take(resolved)
          }, limit),
      },
    })
    return { position: (await head()).position, passed }
  }

  it('is found without reading all that they have written behind it', async () => {
    await othersWrite()
    expect((await look()).position).toBe(start)
    const store = createEventStoreDbEventStore({ url: server.url })
    try {
      for (const category of ['contact', 'delivery'] as const) {
        const stream = streamRef(category, randomUUID(), randomUUID())
        const appended = await store.append({ stream, expected: 0, events: someEvents(1) })
        expect(appended.outcome).toBe('appended')
        await othersWrite()
        const { position, passed } = await look()
        expect({ position }).toEqual({ position: 'position' in appended ? appended.position : undefined })
        expect(passed).toBeLessThan(theirs)
      }
    } finally {
      await store.close()
    }
  })
})
