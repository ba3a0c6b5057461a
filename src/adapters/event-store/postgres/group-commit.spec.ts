import type { Pool } from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { noAttachments } from '../../../domain/kernel/attachments.ts'
import type { Append } from '../../../domain/kernel/event-store.ts'
import { createGroupCommit } from './group-commit.ts'

const tenantId = '0197c0de-0000-7000-8000-00000000ab01'
const append = (nth: number): Append => ({
  stream: { tenantId, category: 'channel', id: String(nth) },
  expected: 0,
  events: [
    {
      id: '0197c0de-0000-7000-8000-00000000ab02',
      type: 'ChannelAdded',
      schemaVersion: 1,
      data: {},
      meta: { occurredAt: '2026-01-01T12:00:00.000Z', correlationId: 'a', causationId: 'a', actor: { kind: 'process', id: 'test' } },
    },
  ],
})

let answerAll: () => void = () => undefined
afterEach(() => answerAll())

/** Batches stay under way until they are answered. */
function start() {
  const underWay: { readonly size: number; readonly answer: () => void }[] = []
  const client = {
    on: () => undefined,
    release: () => undefined,
    query: ({ values }: { values: Buffer[] }) => {
      const size = values[2]?.readInt32BE(12) ?? 0
      const row = { head: '0', recorded_ms: '0', versions: `{${Array.from({ length: size }, () => 0).join(',')}}`, repeated: null, repeated_at: null }
      return new Promise((resolve) => underWay.push({ size, answer: () => resolve({ rows: [row] }) }))
    },
  }
  const commits = createGroupCommit({
    pool: { connect: () => Promise.resolve(client) } as unknown as Pool,
    lanes: 2,
    queue: { appends: 1_000, bytes: 1_000_000 },
    now: () => null,
    seal: noAttachments,
    observer: { began: () => 1, wants: () => false, committed: () => undefined, ended: () => undefined },
    onBatch: () => undefined,
  })
  let nth = 0
  const push = (count: number): Promise<unknown> => Promise.all(Array.from({ length: count }, () => commits.append(append(nth++))))
  const sizes = (): number[] => underWay.map(({ size }) => size)
  answerAll = () => underWay.forEach(({ answer }) => answer())
  return { push, sizes, answer: (batch: number) => underWay[batch]?.answer() }
}

describe('group commit', () => {
  it('takes whoever waits into one batch, and the rest when it is there', async () => {
    const { push, sizes, answer } = start()
    const first = push(40)
    await vi.waitFor(() => expect(sizes()).toEqual([40]))
    const second = push(30)
    answer(0)
    await first
    await vi.waitFor(() => expect(sizes()).toEqual([40, 30]))
    answer(1)
    await second
  })
  it('opens another lane for as many as are worth a commit', async () => {
    const { push, sizes, answer } = start()
    const all = push(256)
    await vi.waitFor(() => expect(sizes()).toEqual([128, 128]))
    answer(0)
    answer(1)
    await all
  })
  it('opens another lane for the few behind a batch that takes long', async () => {
    const { push, sizes, answer } = start()
    const stuck = push(1)
    await vi.waitFor(() => expect(sizes()).toEqual([1]))
    const behind = push(3)
    await vi.waitFor(() => expect(sizes()).toEqual([1, 3]), 30_000)
    answer(1)
    await behind
    answer(0)
    await stuck
  })
})
