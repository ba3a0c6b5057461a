import { afterEach, describe, expect, it } from 'vitest'
import { startDouble, type Double, type DoubleOptions } from '../../../../tests/support/eventstoredb-double/double.ts'
import { refusals } from '../../../../tests/support/eventstoredb-double/refusals.ts'
import { createEventStoreDbEventStore } from './event-store.ts'

let double: Double | undefined
afterEach(() => double?.stop())

/** What the check of a server comes to, and what it says to the log. */
async function check(options: DoubleOptions, prepare: (double: Double) => void = () => undefined) {
  double = await startDouble(options)
  prepare(double)
  const store = createEventStoreDbEventStore({ url: double.url })
  const said: string[] = []
  const log = { info: () => undefined, warn: (line: string) => void said.push(line) }
  try {
    return { facts: await store.ready({ log }), said, before: double.log().map(({ stream }) => stream) }
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error), said }
  } finally {
    await store.close()
  }
}

describe('the check of an EventStoreDB at the start', () => {
  it('learns how much one append may bring, says what to set when it is little, and leaves nothing behind', async () => {
    const { facts, said, before } = await check({})
    expect(facts).toEqual({ version: '23.10.6', maxAppendBytes: 1_048_576 })
    expect(said.join('\n')).toContain('EVENTSTORE_MAX_APPEND_SIZE=8388608')
    expect(before?.filter((name) => !name.startsWith('$'))).toEqual([])
  })

  it('says nothing of a server that takes what is wanted', async () => {
    expect(await check({ maxAppendSize: 8 * 1024 * 1024 })).toMatchObject({ facts: { maxAppendBytes: 8 * 1024 * 1024 }, said: [] })
  })

  it('refuses a server whose subscriptions do not say that they have caught up', async () => {
    expect((await check({ version: '22.10.3' })).refused).toContain('23.10 or newer')
  })

  it('waits for a server that is starting, with one line', async () => {
    const { facts, said } = await check({ notReadyForMs: 1_500, maxAppendSize: 8 * 1024 * 1024 })
    expect(facts).toBeDefined()
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('it is starting')
  })

  it('says how to find the leader when it is asked of a node that is none', async () => {
    const { facts, said } = await check({ maxAppendSize: 8 * 1024 * 1024 }, (one) => {
      one.misbehave({ kind: 'refuse', with: refusals.notLeader(one.host, one.port), on: ['append'], times: 1 })
    })
    expect(facts).toBeDefined()
    expect(said[0]).toContain('name all nodes in EVENTSTOREDB_URL')
  })

  it('says where credentials go when it is refused', async () => {
    const { refused } = await check({}, (one) => one.misbehave({ kind: 'refuse', with: refusals.accessDenied }))
    expect(refused).toContain('EVENTSTOREDB_URL (esdb://user:password@host)')
  })
})
