import type { ResolvedEvent } from '@eventstore/db-client'
import { describe, expect, it } from 'vitest'
import { credentialsOf, nthUrl } from './connection.ts'
import { failureOf } from './failure.ts'
import { serverFilter } from './filters.ts'
import { createNaming, logOf } from './naming.ts'
import { packType } from './packs.ts'

describe('a client of EventStoreDB', () => {
  it('is given credentials for every call, those of the address or any', () => {
    expect(credentialsOf('esdb://ann:s%40fe@one:2113,two:2113')).toEqual({ username: 'ann', password: 's@fe' })
    expect(credentialsOf('esdb+discover://cluster?tls=false').username).not.toBe('')
  })

  it('that succeeds another one differs in an option, without which gRPC would share the dead connection', () => {
    const urls = ['esdb://one', 'esdb://one?tls=false', 'esdb://one?keepAliveInterval=15000&tls=false']
    for (const url of urls) expect(new Set([0, 1, 2].map((nth) => nthUrl(url, nth))).size).toBe(3)
    expect(nthUrl(urls[2] ?? '', 3)).toBe('esdb://one?keepAliveInterval=15003&tls=false')
  })
})

describe('an address', () => {
  it.each([
    ['esdb://ann:s%40fe@one:2113,two:2113?tls=true', 'esdb://ann:s%40fe@one:2113,two:2113?tls=true', ''],
    ['esdb://one:2113/?tls=false', 'esdb://one:2113?tls=false', ''],
    ['esdb://one:2113/acme?tls=false', 'esdb://one:2113?tls=false', 'acme'],
    ['esdb+discover://cluster/acme', 'esdb+discover://cluster', 'acme'],
  ])('names a server and, by its path, a log there: %s', (url, server, name) => {
    expect(logOf(url)).toEqual({ url: server, name })
  })

  it('that names a log keeps its streams apart from those of others, also of such as have the same name without it', () => {
    const { there, here, prefix } = createNaming('acme')
    const event = (streamId: string) => ({ event: { streamId, position: { commit: 1n } } }) as unknown as ResolvedEvent
    expect(there('intake-0')).toBe('acme.intake-0')
    expect(here(event('acme.intake-0')).event?.streamId).toBe('intake-0')
    expect(here(event('intake-0')).event).toBeUndefined()
    const filter = serverFilter({ tenantId: 'ABC' }, undefined, prefix)
    expect('prefixes' in filter && filter.prefixes.every((one) => one.startsWith('acme.'))).toBe(true)
  })
})

describe('a filter', () => {
  it("looks through a thousand events between two reports, leaves out bodies and the server's own, and lets packs through", () => {
    for (const filter of [{}, { types: ['ContactNamed'] }, { tenantId: 'ABC' }, { types: [] }]) {
      const { maxSearchWindow, ...asked } = serverFilter(filter, undefined)
      const prefixes = 'prefixes' in asked ? asked.prefixes : []
      expect(maxSearchWindow).toBeGreaterThanOrEqual(1_000)
      // An empty list would match nothing, for ever.
      expect(prefixes.length).toBeGreaterThan(0)
      expect(prefixes.some((prefix) => 'raw-0'.startsWith(prefix) || '$metadata'.startsWith(prefix))).toBe(false)
      expect(prefixes.some((prefix) => 'intake-0'.startsWith(prefix) || prefix === packType)).toBe(true)
    }
  })
})

describe('an error of the client', () => {
  it.each([
    ['a plain Error of a call that never began', Object.assign(new Error('14 UNAVAILABLE: No connection established'), { code: 14 }), 'again'],
    ['an Error that says nothing', new Error(''), 'again'],
    ['a server shutting down', Object.assign(new Error('13 INTERNAL: Received RST_STREAM with code 0'), { type: 'unknown', code: 13 }), 'again'],
    ['an append that nobody knows of', Object.assign(new Error('10 ABORTED: Operation timed out'), { type: 'timeout', code: 10 }), 'again'],
    ['another node leads', Object.assign(new Error(''), { type: 'not-leader', code: 5 }), 'again'],
    [
      'a place that is none',
      Object.assign(new Error('2 UNKNOWN: Unexpected ReadAllResult: Error'), { type: 'unknown', code: 2 }),
      'illegal-position',
    ],
    ['bad input', Object.assign(new Error('2 UNKNOWN: Exception was thrown by handler.'), { type: 'unknown', code: 2 }), 'refused'],
    ['no type, no access', Object.assign(new Error('16 UNAUTHENTICATED'), { code: 16 }), 'denied'],
    ['a message beyond gRPC', Object.assign(new Error('8 RESOURCE_EXHAUSTED: Received message exceeds'), { type: 'unknown', code: 8 }), 'too-large'],
  ])('is told by what it says: %s', (_, error, kind) => {
    expect(failureOf(error).kind).toBe(kind)
  })
})
