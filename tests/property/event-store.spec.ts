import fc from 'fast-check'
import { describe, it } from 'vitest'
import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import { interleaving, playOut } from './event-store-interleavings.ts'

describe('several writers on a store in memory', () => {
  it('are answered as their stream will show, for any interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(interleaving(1), (steps) => playOut([createMemoryEventStore()], steps)),
      { numRuns: 200 },
    )
  })
})
