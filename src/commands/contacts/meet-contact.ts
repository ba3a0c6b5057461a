import { LRUCache } from 'lru-cache'
import type { Meet, Name } from '../../domain/contact/contact.ts'
import type { Contact } from '../../domain/contact/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { identitiesOf, idsOf, type Person } from './identities.ts'
import { settle } from './settle.ts'

export type { Person } from './identities.ts'

/** `isNew`: nobody here has met this person before, so nothing of theirs needs to be looked for. */
export type Met = { readonly contactId: string; readonly isNew: boolean }

/** Several: one person, as a page names them. */
export type MeetContact = (person: Person | readonly Person[], source: string, context: CommandContext) => Promise<Met>

/** What was said of a contact last, in the clear and in memory only: the very same again, or something older, needs no look at its stream. */
type Told = { readonly [Field in 'name' | 'username' | 'waId']?: Word }
type Word = { readonly text: string | undefined; readonly at: string }

/**
 * Finds the contact behind a set of identities, or creates it, and teaches it what is new (a name, a further identity, another spelling). See `settle`.
 * What it was told is kept per contact and with its time, so that a name that comes back is told and one that comes late is not.
 */
export function createMeetContact({ commands, vault, cacheSize = 30_000 }: { commands: Commands; vault: Vault; cacheSize?: number }): MeetContact {
  const homes = new LRUCache<string, string>({ max: cacheSize })
  const told = new LRUCache<string, Told>({ max: cacheSize })

  /** Where all of them are known to live, if they have nothing new to say there. */
  function remembered(keys: readonly string[], said: Told, tenantId: string): string | undefined {
    const [home, ...others] = new Set(keys.map((key) => homes.get(key)))
    const known = home === undefined || others.length > 0 ? undefined : told.get(`${tenantId} ${home}`)
    if (home === undefined || known === undefined) return undefined
    if (!isOld(known.name, said.name) || !isOld(known.username, said.username) || !isOld(known.waId, said.waId)) return undefined
    told.set(`${tenantId} ${home}`, { ...known, ...newer('name', said, known), ...newer('username', said, known), ...newer('waId', said, known) })
    return home
  }

  return async (person, source, context) => {
    const { tenantId } = context
    const persons = inTime(Array.isArray(person) ? (person as readonly Person[]) : [person as Person], context)
    const said: Told = { ...lastOf('name', persons), ...lastOf('username', persons), ...lastOf('waId', persons) }
    const keys = persons.map((one) => keyOf(tenantId, one))
    const known = remembered(keys, said, tenantId)
    if (known !== undefined) return { contactId: known, isNew: false }

    const isNew = keys.every((key) => !homes.has(key))
    await vault.ensure(tenantId, [])
    const identities = identitiesOf(tenantId, persons, vault)
    const name = nameOf('name', said, tenantId, vault)
    const username = nameOf('username', said, tenantId, vault)
    const meet: Meet = {
      type: 'meet',
      identities,
      source,
      ...(name === undefined ? {} : { name }),
      ...(username === undefined ? {} : { username }),
      ...(context.actor.kind === 'provider' ? { saidAt: persons.at(-1)?.profileAt ?? context.at.toISOString() } : {}),
    }
    // Whom a page brings together differs from try to try, so what is said is a part of the command's id: the same id must never stand for two different events.
    const meeting = step(context, JSON.stringify([identities.map(({ index, spelling }) => [index, spelling]), name, username, meet.saidAt]))
    const { contactId, state } = await settle(commands, meet, meeting, { unseen: isNew })
    for (const key of keys) homes.set(key, contactId)
    const subject = `${tenantId} ${contactId}`
    told.set(subject, { ...told.get(subject), ...toldOf(meet, state, said) })
    return { contactId, isNew }
  }
}

type Dated = Person & { readonly profileAt: string }

/** The newest is last: of two spellings of a number its one is kept. */
function inTime(persons: readonly Person[], { at }: CommandContext): readonly Dated[] {
  const dated = persons.map((one) => (isDated(one) ? one : { ...one, profileAt: at.toISOString() }))
  return dated.length === 1 ? dated : dated.toSorted((a, b) => (a.profileAt < b.profileAt ? -1 : 1))
}

const isDated = (person: Person): person is Dated => person.profileAt !== undefined

const keyOf = (tenantId: string, person: Person): string =>
  idsOf(person).reduce((key, { kind, canonical }) => `${key} ${kind}:${canonical}`, tenantId)

/** The last of those that were given. */
function lastOf(field: keyof Told, persons: readonly Dated[]): Told {
  const last = persons.findLast((one) => one[field] !== undefined)
  return last === undefined ? {} : { [field]: { text: last[field], at: last.profileAt } }
}

function nameOf(field: 'name' | 'username', said: Told, tenantId: string, vault: Pick<Vault, 'blindIndex'>): Name | undefined {
  const word = said[field]
  return word?.text === undefined ? undefined : { text: word.text, index: vault.blindIndex(tenantId, field, word.text), at: word.at }
}

/** Nothing was said, or the same as is known, or something from before it. */
const isOld = (known: Word | undefined, said: Word | undefined): boolean =>
  said === undefined || (known !== undefined && (known.text === said.text || said.at < known.at))

/** The same again, and later: what comes from between is late. */
const newer = (field: keyof Told, said: Told, known: Told): Told => {
  const [now, before] = [said[field], known[field]]
  return now !== undefined && before !== undefined && now.text === before.text && now.at > before.at ? { [field]: now } : {}
}

/** What the contact holds now: our words where they counted, else a text that we do not know and that is newer than they are. */
function toldOf({ name, username, identities }: Meet, state: Contact, said: Told): Told {
  const number = identities.find(({ kind, value }) => kind === 'wa_id' && value === said.waId?.text)
  const known = state.identities.find(({ index }) => index === number?.index)
  const word = (field: keyof Told, counted: boolean, at: string | undefined): Told => {
    const mine = said[field]
    return mine === undefined ? {} : { [field]: counted ? mine : { text: undefined, at: at ?? mine.at } }
  }
  return {
    ...word('name', name?.index === state.nameIndex, state.nameAt),
    ...word('username', username?.index === state.username?.index, state.username?.at),
    ...word('waId', known !== undefined && known.spelling === number?.spelling, known?.since),
  }
}
