import { PassThrough } from 'node:stream'
import type { EventStoreDBClient } from '@eventstore/db-client'
import { describe, expect, it } from 'vitest'
import type { Connection } from './connection.ts'
import { createNaming } from './naming.ts'
import { createPhysical } from './physical.ts'

/** A client whose reads bring what they are given and end, as they do at the end of a stream and when it is disposed of. */
function clientWith(events: readonly unknown[], beforeTheEnd = (): void => undefined): EventStoreDBClient {
  const readStream = (): unknown => {
    const stream = new PassThrough({ objectMode: true })
    for (const event of events) stream.write(event)
    setImmediate(() => {
      beforeTheEnd()
      stream.end()
    })
    return Object.assign(stream, { cancel: () => Promise.resolve() })
  }
  return { readStream } as unknown as EventStoreDBClient
}

describe('reading a stream', () => {
  it('begins again when the client is replaced meanwhile, instead of taking half of the stream for all of it', async () => {
    const lives = [new AbortController(), new AbortController()]
    let nth = 0
    const clients = [
      clientWith(['first'], () => {
        lives[nth++]?.abort()
      }),
      clientWith(['first', 'second']),
    ]
    const connection: Connection = {
      naming: createNaming(''),
      client: () => clients[nth] ?? clientWith([]),
      credentials: { username: '', password: '' },
      life: () => lives[nth]?.signal ?? AbortSignal.abort(),
      worked: () => undefined,
      failed: () => undefined,
      close: () => Promise.resolve(),
    }
    const physical = createPhysical({ connection, closing: new AbortController().signal })
    expect(await physical.readStream('intake-0', { limit: 100 })).toEqual(['first', 'second'])
  })
})
