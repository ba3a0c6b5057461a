import { contact, contactIdOf, type Identity, type Meet } from '../../domain/contact/contact.ts'
import type { Contact } from '../../domain/contact/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

/** `apart`: the indexes of identities that belong to another contact, and stay there. */
export type Settled = { readonly contactId: string; readonly state: Contact; readonly apart: ReadonlySet<string> }

const triesAgainstOthers = 20

/**
 * Makes the identities of one person lead to one contact, and lets that contact be met.
 *
 * Each identity has a stream of its own, named after its blind index. It is OPEN (no stream) → POINTING (`ContactAliased`) or HOME (the contact itself), and
 * neither ever changes again. A contact is created only where all identities of the person lead, so before it is created they are made to lead to one open
 * stream. Of two who meet one person under different identities at one moment, the second follows the first one's pointers, also to a contact that is still
 * to be created, and creates it. So a crash between any two of these appends leaves nothing to mend, and a repeat ends in the same contact.
 *
 * Invariant: whoever names an identity in common ends in one contact, whatever the interleaving. Pointers never run in a circle: they lead from a greater
 * stream id to a smaller one, or to a contact that exists. (Only pointing to the first identity, without joining what others have pointed meanwhile, made two
 * contacts of three meetings that all named the same id.)
 *
 * Where identities of one person belong to different contacts already (met under one and under another before anybody knew that they are the same), both
 * stay: the one of the first identity to meet is met, and the other is recorded as its duplicate.
 *
 * `also`: further identities that shall lead to the same contact without being told to it as they are. `unseen`: see `Commands.execute`.
 */
export async function settle(
  commands: Commands,
  meet: Meet,
  context: CommandContext,
  { also = [], unseen = false }: { also?: readonly Identity[]; unseen?: boolean } = {},
): Promise<Settled> {
  const { tenantId } = context
  const streamOf = ({ index }: Identity): string => contactIdOf(tenantId, index)
  const identities = [...meet.identities, ...also]
  const streams = identities.map(streamOf).toSorted()
  const [first, ...further] = streams
  const [preferred] = meet.identities.map(streamOf)
  if (first === undefined || preferred === undefined) throw new Error('a contact needs an identity')

  const look = async (id: string): Promise<Contact> => (await commands.load(contact, tenantId, id)).state

  async function endOf(id: string): Promise<string> {
    const { home } = await look(id)
    return home === undefined ? id : endOf(home)
  }

  /** False where the stream leads elsewhere already, or is the contact itself. */
  async function point(id: string, to: string): Promise<boolean> {
    const outcome = await commands.execute(contact, id, { type: 'alias', contactId: to }, context, { unseen })
    return 'position' in outcome && outcome.state.home === to
  }

  /** Undefined where somebody made the stream a pointer meanwhile. */
  async function meetAt(id: string): Promise<Settled | undefined> {
    const outcome = await commands.execute(contact, id, meet, context, { unseen })
    return 'position' in outcome ? { contactId: id, state: outcome.state, apart: new Set() } : undefined
  }

  const pointed = await Promise.all(further.map(async (id) => point(id, first)))
  const atOnce = pointed.every(Boolean) ? await meetAt(first) : undefined
  if (atOnce !== undefined) return atOnce

  for (let tries = 0; tries < triesAgainstOthers; tries++) {
    const ends = [...new Set(await Promise.all(streams.map(endOf)))].toSorted()
    const states = await Promise.all(ends.map(look))
    const [home] = ends.filter((_, n) => states[n]?.exists === true)
    const open = ends.filter((_, n) => states[n]?.exists !== true)
    const [target] = open
    if (target === undefined || (home === undefined && open.length === 1)) {
      const met = await meetAt(await endOf(preferred))
      if (met !== undefined) return withDuplicates(met)
    } else {
      for (const id of open) if (id !== (home ?? target)) await point(id, home ?? target)
    }
  }
  throw new Error(`where a contact lives changed under every one of ${triesAgainstOthers} tries`)

  async function withDuplicates(met: Settled): Promise<Settled> {
    const ends = await Promise.all(identities.map(async (identity) => ({ index: identity.index, end: await endOf(streamOf(identity)) })))
    const apart = ends.filter(({ end }) => end !== met.contactId)
    for (const contactId of new Set(apart.map(({ end }) => end))) {
      if (met.state.duplicates.includes(contactId)) continue
      const suspicion = { type: 'suspectDuplicate', contactId, at: context.at.toISOString() } as const
      await commands.execute(contact, met.contactId, suspicion, step(context, `duplicate ${contactId}`))
    }
    return { ...met, apart: new Set(apart.map(({ index }) => index)) }
  }
}
