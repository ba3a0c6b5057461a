import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { finalState, phoneNumberId, preparedDatabase, type State } from './shuffle/installation.ts'
import { generateUpdates, inBatches, randomness, shuffled } from './shuffle/updates.ts'

/**
 * Meta promises neither order nor once. The same world must come out of the same updates, however they come: as they happened, or each of them three
 * times, in any order and in any company. 100,000 of them by `RECADO_SHUFFLE_UPDATES=100000`; another world by `RECADO_SHUFFLE_SEED`.
 */
const count = Number(process.env['RECADO_SHUFFLE_UPDATES'] ?? 3_000)
const seed = Number(process.env['RECADO_SHUFFLE_SEED'] ?? 20_261_009)
const minutes = 60_000

let prepared: Awaited<ReturnType<typeof preparedDatabase>>
beforeAll(async () => {
  prepared = await preparedDatabase(process.env['RECADO_TEST_POSTGRES'] ?? '')
})
afterAll(async () => prepared.database.drop())

describe(`${count} mixed updates`, () => {
  it(
    'shuffled, three times each and in deliveries of 1 to 1,000 end as they do in their order',
    async () => {
      const updates = generateUpdates(count, seed, phoneNumberId)
      const below = randomness(seed + 1)
      const ordered = await finalState(prepared, inBatches(updates, below, 200), 1)
      expect(Object.keys(ordered.messages).length).toBeGreaterThan(count / 4)
      expect(ordered.failures).toBe(0)
      expect(kindsIn(ordered)).toEqual(everyKind)
      const mixed = await finalState(prepared, inBatches(shuffled([...updates, ...updates, ...updates], below), below), 4)
      expect(mixed.failures).toBe(0)
      for (const model of ['contacts', 'conversations', 'messages'] as const) expect(differences(ordered, mixed, model)).toEqual([])
    },
    count < 20_000 ? 10 * minutes : 60 * minutes,
  )
})

/** What must be in the world for its sameness to mean something. */
const everyKind = ['delivered', 'edited', 'failed', 'image', 'played', 'reacted', 'read', 'received', 'revoked', 'sent', 'unseen']

function kindsIn({ messages, conversations }: State): string[] {
  const kinds = new Set<string>()
  for (const { status, type, reactions, edited_at: edited, revoked_at: revoked } of Object.values(messages)) {
    kinds.add(String(status))
    if (type === 'image' || type === 'media_placeholder') kinds.add(type)
    if (Array.isArray(reactions) && reactions.length > 0) kinds.add('reacted')
    if (edited !== undefined) kinds.add('edited')
    if (revoked !== undefined) kinds.add('revoked')
  }
  if (Object.values(conversations).some(({ unread_count: unread }) => Number(unread) > 0)) kinds.add('unseen')
  return [...kinds].toSorted()
}

/** The first few, because a hundred thousand rows are no message. */
function differences(ordered: State, mixed: State, model: 'contacts' | 'conversations' | 'messages'): unknown[] {
  const ids = new Set([...Object.keys(ordered[model]), ...Object.keys(mixed[model])])
  return [...ids]
    .filter((id) => JSON.stringify(sorted(ordered[model][id])) !== JSON.stringify(sorted(mixed[model][id])))
    .slice(0, 5)
    .map((id) => ({ id, ordered: ordered[model][id], mixed: mixed[model][id] }))
}

/** The order of an object's fields says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, field]) => [name, sorted(field)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}
