import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../src/domain/kernel/envelope.ts'
import type { TenantLog } from '../../src/domain/kernel/event-store.ts'
import type { Position } from '../../src/domain/kernel/position.ts'
import { streamName } from '../../src/domain/kernel/stream.ts'
import { foldAsOf, foldRows, viewOf } from '../../src/projections/engine/as-of.ts'
import { rowKey } from '../../src/projections/engine/fold-page.ts'
import { changesId, messageChanges } from '../../src/projections/messageChanges/projection.ts'
import { messageAsOf, threadAsOf } from '../../src/projections/messages/as-of.ts'
import { messages } from '../../src/projections/messages/projection.ts'
import { projections } from '../../src/projections/index.ts'
import { foldPages } from '../support/fold.ts'
import { history } from '../support/histories.ts'
import { recordedLog } from '../support/recorded.ts'

/** A log to read streams of, as it was at a position. */
const readable = (log: readonly RecordedEvent[]): Pick<TenantLog, 'readStream'> => ({
  async *readStream(stream, { asOf } = {}) {
    for (const event of log) if (streamName(event.stream) === streamName(stream) && event.position <= (asOf as Position)) yield event
  },
})

const thread = { conversationId: 'c0', limit: 1_000 }

describe('a thread as of a position', () => {
  it('has the messages that the read model had, whatever it folds them from', async () => {
    await fc.assert(
      fc.asyncProperty(history(60), async (happened) => {
        const log = recordedLog(happened)
        for (const [index, { position, stream }] of log.entries()) {
          const prefix = log.slice(0, index + 1)
          const { tenantId } = stream
          const [all, changes] = [messages, messageChanges].map((projection) => foldPages(projection, [prefix]).rows)
          const expected = [...(all ?? [])].filter(
            ([key, row]) => key.startsWith(tenantId) && row['conversationId'] === 'c0' && row['reactsTo'] === null,
          )
          const found = await threadAsOf(readable(log), { tenantId, position }, thread)
          const byId = new Map(found?.rows.map((row) => [row.id, row]))
          expect([...byId.keys()].toSorted()).toEqual(expected.map(([, { id }]) => id).toSorted())
          for (const [, row] of expected) {
            const view = byId.get(row.id)
            expect(view).toMatchObject(viewOf<object>(messages, row))
            const changed = changes?.get(rowKey(tenantId, changesId('channel', String(row['providerId']))))
            expect([view?.editContent ?? null, view?.revokedAt ?? null, view?.changedVersion ?? null]).toEqual(
              changed === undefined ? [null, null, null] : [changed['editContent'], changed['revokedAt'], changed['changedVersion']],
            )
            expect(await messageAsOf(readable(log), { tenantId, position }, { id: row.id, conversationId: 'c0' })).toEqual(view)
          }
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('a read model as of a position', () => {
  it('is what the read model was when it had applied the log up to there, at every position', async () => {
    await fc.assert(
      fc.asyncProperty(history(40), async (happened) => {
        const log = recordedLog(happened)
        for (const [index, { position }] of log.entries()) {
          const prefix = log.slice(0, index + 1)
          for (const projection of projections) {
            const { rows } = foldPages(projection, [prefix])
            const perStream = [...Map.groupBy(prefix, ({ stream }) => streamName(stream)).values()].flatMap((events) =>
              [...foldRows(projection, events)].map(([id, row]) => [rowKey(events[0]?.stream.tenantId ?? '', id), row] as const),
            )
            // Usage is counted over all streams of a tenant: it has no moment of one stream.
            if (projection.name !== 'usage') expect(new Map(perStream)).toEqual(rows)
            if (projection.home === undefined) continue
            for (const [key, row] of rows) {
              const tenantId = key.slice(0, 36)
              expect(await foldAsOf(readable(log), projection, { tenantId, id: row.id, position })).toEqual(row)
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})
