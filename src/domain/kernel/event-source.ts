import type { Delivery, LogSubscription } from './event-store.ts'

/** Whoever follows, and where its source goes on behind `after`: as a delivery said it, kept in the transaction that moved the checkpoint. */
export type SourceSubscription = LogSubscription & { readonly name: string; readonly place?: string | undefined }

/** `place` belongs to `through`; without one the source finds its place from the position. Nobody but the source reads it. */
export type SourceDelivery = Delivery & { readonly place?: string | undefined }

/** Where read models get their events from: the log itself, or what carries it on. Promises what `EventStore.subscribe` does. */
export type EventSource = { readonly subscribe: (subscription: SourceSubscription) => AsyncIterable<SourceDelivery> }
