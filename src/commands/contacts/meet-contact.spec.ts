import { asyncProperty, assert, array, constantFrom, integer, nat, record, shuffledSubarray, subarray, type Arbitrary } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { glassVault } from '../../../tests/support/glass-vault.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import { contact, contactIdOf } from '../../domain/contact/contact.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { StoreUnavailable, type EventStore } from '../../domain/kernel/event-store.ts'
import { start } from '../../domain/kernel/position.ts'
import { createCommands } from '../kernel/execute.ts'
import { createHearOfContact } from './hear-of-contact.ts'
import { identitiesOf } from './identities.ts'
import { createMeetContact, type Person } from './meet-contact.ts'

const tenantId = '0197c0de-0000-7000-8000-000000000001'
const ana = { waId: '15550002222', bsuid: 'US.1349', parentBsuid: 'US.ENT.1181' } as const satisfies Person
type Id = keyof typeof ana
const ids = Object.keys(ana) as readonly Id[]
const someOf = (kinds: readonly Id[]): Person => Object.fromEntries(kinds.map((kind) => [kind, ana[kind]]))

const context = (commandId: string, at = '2026-10-09T08:00:00.000Z'): CommandContext => ({
  tenantId,
  actor: { kind: 'provider', id: 'meta' },
  commandId,
  correlationId: commandId,
  causationId: commandId,
  at: new Date(at),
})

/** One process: what it remembers is its own, the log is everybody's. */
function processOn(store: EventStore) {
  const commands = createCommands({ store, vault: glassVault, cacheSize: 50 })
  const meetContact = createMeetContact({ commands, vault: glassVault, cacheSize: 50 })
  const hearOfContact = createHearOfContact({ commands, vault: glassVault, meetContact })
  return { commands, meetContact, hearOfContact }
}

/** The contacts that a log holds, each with how many identities it has. */
async function contactsIn(store: EventStore): Promise<readonly string[]> {
  const { events } = await store.readAll({ after: start, limit: 10_000 })
  return events.filter(({ type }) => type === 'ContactCreated').map(({ stream }) => stream.id)
}

/** Where an identity leads, step by step, as somebody sees it who knows nothing yet. */
async function whereIs(store: EventStore, person: Person): Promise<string> {
  const { commands } = processOn(store)
  const [identity] = identitiesOf(tenantId, [person], glassVault)
  let id = contactIdOf(tenantId, identity?.index ?? '')
  for (let steps = 0; steps < 10; steps++) {
    const { state } = await commands.load(contact, tenantId, id)
    if (state.home === undefined) return id
    id = state.home
  }
  throw new Error('the pointers run in a circle')
}

/** A store whose answers come in any order: each call waits as many turns as the next of `delays` says. */
function delayed(store: EventStore, delays: readonly number[]): EventStore {
  let next = 0
  const wait = async (): Promise<void> => {
    const turns = delays[next++ % delays.length] ?? 0
    for (let turn = 0; turn < turns * 10; turn++) await Promise.resolve()
  }
  return {
    ...store,
    async append(one) {
      await wait()
      const result = await store.append(one)
      await wait()
      return result
    },
    async *readStream(...args) {
      await wait()
      yield* store.readStream(...args)
    },
  }
}

/** A store that dies at its n-th append, before or after it was stored. */
function mortal(store: EventStore, { dies, stored }: { dies: number; stored: boolean }): EventStore {
  let appends = 0
  return {
    ...store,
    async append(one) {
      const dead = ++appends >= dies
      if (dead && !(stored && appends === dies)) throw new StoreUnavailable('connection', 'killed')
      const result = await store.append(one)
      if (dead) throw new StoreUnavailable('connection', 'killed')
      return result
    },
  }
}

const delays = array(nat(4), { minLength: 5, maxLength: 30 })
const named = (always: readonly Id[]): Arbitrary<Person> => subarray([...ids]).map((some) => someOf([...new Set([...always, ...some])]))

describe('meetings of one person, whom each names by other identities', () => {
  it.each(ids)('end in one contact, whatever their order and whoever meets, as long as all name the %s', async (id) => {
    await assert(
      asyncProperty(array(named([id]), { minLength: 2, maxLength: 6 }), delays, async (persons, waits) => {
        const store = createMemoryEventStore()
        const slow = delayed(store, waits)
        const met = await Promise.all(persons.map((person, n) => processOn(slow).meetContact(person, 'inbound', context(`meet ${n}`))))
        const [home, ...others] = new Set(met.map(({ contactId }) => contactId))
        expect(others).toEqual([])
        expect(await contactsIn(store)).toEqual([home])
        for (const kind of new Set(persons.flatMap((person) => Object.keys(person) as Id[]))) {
          expect(await whereIs(store, someOf([kind]))).toBe(home)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('end in one contact, one after the other, as long as each names one that was named before', async () => {
    const chain = shuffledSubarray([...ids], { minLength: 3 }).chain(([first = 'waId', second = 'bsuid', third = 'parentBsuid']) =>
      array(constantFrom([first, second], [second, third], [first, third], [first], [second], [first, second, third]), { maxLength: 6 }).map(
        (more) => [[first], [first, second], [second], [second, third], [third], ...more],
      ),
    )
    await assert(
      asyncProperty(chain, nat(), async (kinds, seed) => {
        const store = createMemoryEventStore()
        const processes = Array.from({ length: 2 }, () => processOn(store))
        const homes = new Set<string>()
        for (const [n, some] of kinds.entries()) {
          const { meetContact } = processes[(seed >> n) % 2] ?? processOn(store)
          homes.add((await meetContact(someOf(some), 'inbound', context(`meet ${n}`))).contactId)
        }
        expect(homes.size).toBe(1)
        expect(await contactsIn(store)).toHaveLength(1)
      }),
    )
  })

  it('never run in a circle, and those who were two before anybody knew are recorded as duplicates', async () => {
    await assert(
      asyncProperty(
        array(
          named([]).filter((person) => Object.keys(person).length > 0),
          { minLength: 2, maxLength: 8 },
        ),
        delays,
        async (persons, waits) => {
          const store = createMemoryEventStore()
          const slow = delayed(store, waits)
          await Promise.all(persons.map((person, n) => processOn(slow).meetContact(person, 'inbound', context(`meet ${n}`))))
          const { commands, meetContact } = processOn(store)
          const { contactId } = await meetContact(ana, 'inbound', context('all of them'))
          const ends = await Promise.all(ids.map((kind) => whereIs(store, someOf([kind]))))
          expect(await contactsIn(store)).toEqual(expect.arrayContaining(ends))
          const { state } = await commands.load(contact, tenantId, contactId)
          expect(new Set([contactId, ...state.duplicates])).toEqual(new Set([contactId, ...state.duplicates, ...ends]))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('end in the same contact when one is killed at any point and repeated by another process', async () => {
    const death = record({ dies: integer({ min: 1, max: 4 }), stored: constantFrom(true, false) })
    await assert(
      asyncProperty(named(['bsuid']), named(['bsuid']), death, async (first, second, dying) => {
        const store = createMemoryEventStore()
        await processOn(mortal(store, dying))
          .meetContact(first, 'inbound', context('killed'))
          .catch(() => undefined)
        const other = await processOn(store).meetContact(second, 'inbound', context('somebody else'))
        const again = await processOn(store).meetContact(first, 'inbound', context('killed'))
        expect(again.contactId).toBe(other.contactId)
        expect(await contactsIn(store)).toEqual([again.contactId])
      }),
      { numRuns: 300 },
    )
  })

  it('by both spellings of a Brazilian mobile are of one contact', async () => {
    const { meetContact } = processOn(createMemoryEventStore())
    const short = await meetContact({ waId: '556181234567' }, 'inbound', context('a'))
    expect(await meetContact({ waId: '5561981234567' }, 'outbound', context('b'))).toMatchObject({ contactId: short.contactId, isNew: false })
  })
})

describe('the name of a contact', () => {
  const nameAfter = async (...said: readonly (readonly [name: string, hour: number])[]) => {
    const { commands, meetContact } = processOn(createMemoryEventStore())
    let contactId = ''
    for (const [n, [name, hour]] of said.entries()) {
      const moment = `2026-10-09T0${hour}:00:00.000Z`
      contactId = (await meetContact({ waId: ana.waId, name }, 'inbound', context(`meet ${n}`, moment))).contactId
    }
    const { state } = await commands.load(contact, tenantId, contactId)
    return ['Ana', 'Bea'].find((name) => glassVault.blindIndex(tenantId, 'name', name) === state.nameIndex)
  }
  it('is the latest, whichever came last', async () => {
    expect(await nameAfter(['Ana', 1], ['Bea', 2])).toBe('Bea')
    expect(await nameAfter(['Bea', 2], ['Ana', 1])).toBe('Bea')
  })
  it('is taken back up when it comes again', async () => {
    expect(await nameAfter(['Ana', 1], ['Bea', 2], ['Ana', 3])).toBe('Ana')
  })
  it('is not disturbed by an old delivery that is replayed', async () => {
    expect(await nameAfter(['Ana', 1], ['Bea', 2], ['Ana', 1], ['Bea', 2], ['Ana', 1])).toBe('Bea')
  })
  it('stays, when another one comes from before it was last heard', async () => {
    expect(await nameAfter(['Ana', 1], ['Ana', 5], ['Bea', 3])).toBe('Ana')
  })
})

describe('somebody who gets another number', () => {
  const old: Person = { waId: '15550002222', bsuid: 'US.1' }
  const now: Person = { waId: '15550003333', bsuid: 'US.2' }
  const moved = { kind: 'identity_replaced', now } as const

  it('is the same contact under the old and the new one', async () => {
    const store = createMemoryEventStore()
    const { meetContact, hearOfContact } = processOn(store)
    const { contactId } = await meetContact(old, 'inbound', context('a'))
    await hearOfContact(old, moved, context('b'))
    const other = processOn(store)
    for (const person of [old, now, { waId: now.waId }, { bsuid: now.bsuid }, { bsuid: old.bsuid }]) {
      expect((await other.meetContact(person, 'inbound', context('c'))).contactId).toBe(contactId)
    }
    expect(await contactsIn(store)).toEqual([contactId])
  })
  it('is the same contact, too, when the news comes before the first message or again', async () => {
    const store = createMemoryEventStore()
    for (const commandId of ['a', 'a', 'b']) await processOn(store).hearOfContact(old, moved, context(commandId))
    const before = (await store.head()).position
    await processOn(store).hearOfContact(old, moved, context('a'))
    expect((await store.head()).position).toBe(before)
    const { meetContact } = processOn(store)
    expect((await meetContact(now, 'inbound', context('c'))).contactId).toBe((await meetContact(old, 'inbound', context('d'))).contactId)
  })
  it('keeps the contact of the new one when the news is later than its first message', async () => {
    const store = createMemoryEventStore()
    const { meetContact, hearOfContact } = processOn(store)
    const { contactId } = await meetContact(now, 'inbound', context('a'))
    await hearOfContact(old, moved, context('b'))
    expect((await meetContact(old, 'inbound', context('c'))).contactId).toBe(contactId)
  })
  it('stays two where both were somebody already, and that is recorded', async () => {
    const store = createMemoryEventStore()
    const { commands, meetContact, hearOfContact } = processOn(store)
    const one = await meetContact(old, 'inbound', context('a'))
    const two = await meetContact(now, 'inbound', context('b'))
    await hearOfContact(old, moved, context('c'))
    const { state } = await commands.load(contact, tenantId, one.contactId)
    expect(state.duplicates).toEqual([two.contactId])
    expect((await meetContact(now, 'inbound', context('d'))).contactId).toBe(two.contactId)
  })
})
