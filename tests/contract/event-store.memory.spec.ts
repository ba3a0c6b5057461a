import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import { eventStoreContract } from './event-store.contract.ts'

eventStoreContract('in memory', () => {
  // One log for all stores of the suite, as the engines with a server have it, would need a server: each store is a log of its own here.
  return Promise.resolve({ make: createMemoryEventStore, end: () => Promise.resolve() })
})
