import { createEventStoreDbEventStore, type EventStoreDbOptions } from '../adapters/event-store/eventstoredb/event-store.ts'
import { indexedLog, type IndexedLog } from './indexed-log.ts'
import type { LogEngine } from './log-engine.ts'

export type EventStoreDbParts = Pick<IndexedLog, 'workerPool' | 'apiPool'> &
  Pick<EventStoreDbOptions, 'url' | 'attachments' | 'onAppend' | 'onDrop' | 'onRecycle'> & {
    readonly log: { readonly info: (text: string) => void } & IndexedLog['log']
    /** For who looks after the server, and not for each command that is typed. */
    readonly hints: boolean
  }

/** The log on EventStoreDB. Waits for the server. @throws Error that says what to do about a server that cannot be used */
export async function eventStoreDbLog({ workerPool, apiPool, log, hints, ...options }: EventStoreDbParts): Promise<LogEngine> {
  return indexedLog({
    engine: 'EventStoreDB',
    open: ({ places, purged }) => createEventStoreDbEventStore({ ...options, places, purged }),
    age: async (store, seconds) => store.keepBodiesFor(seconds),
    // Before anybody asks it for more: a server that is being started answers in its own time.
    prepare: async (store) => {
      const info = (text: string): void => log.info(text)
      const warn = (text: string): void => log.warn(text)
      const { version, maxAppendBytes } = await store.ready({ log: { info, warn, hint: hints ? warn : info } })
      log.info(`the log is on EventStoreDB ${version}, which takes ${maxAppendBytes} bytes in one append`)
    },
    workerPool,
    apiPool,
    log,
  })
}
