import { contact, contactIdOf, type Identity, type Meet } from '../../domain/contact/contact.ts'
import type { Contact } from '../../domain/contact/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { inOrder } from './identities.ts'

/** `apart`: the indexes of identities that belong to another contact, and stay there. */
export type Settled = { readonly contactId: string; readonly state: Contact; readonly apart: ReadonlySet<string> }

/**
 * Makes the identities of one person lead to one contact, and lets that contact be met.
 *
 * Each identity has a stream of its own, named after its blind index, and is in one of three states: UNHEARD OF (no stream) → POINTING (`ContactAliased`) or
 * HOME (the contact itself); neither ever changes again. The further identities are made to point at the first *before* anything is created there, so of two
 * who meet one person under different identities at the same moment the second finds the pointer and creates nothing of its own. A pointer may be there
 * before its contact: whoever follows it creates the contact. So a crash between any two of these appends leaves nothing to be mended, and a repeat ends in
 * the same contact.
 * Invariant: pointers never run in a circle. They lead from a later identity of the common order to an earlier one, or to a contact that exists.
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
  const identities = also.length === 0 ? meet.identities : inOrder([...meet.identities, ...also])
  const [first, ...further] = identities.map(streamOf)
  const [preferred] = meet.identities.map(streamOf)
  if (first === undefined || preferred === undefined) throw new Error('a contact needs an identity')

  const look = (id: string) => commands.load(contact, tenantId, id)

  async function endOf(id: string): Promise<string> {
    const { home } = (await look(id)).state
    return home === undefined ? id : endOf(home)
  }

  /** What the stream of an identity leads to after it was told to point at `to`, if it was still unheard of. */
  async function point(id: string, to: string): Promise<string> {
    const outcome = await commands.execute(contact, id, { type: 'alias', contactId: to }, context, { unseen })
    if (!('position' in outcome)) throw new Error('pointing is never refused')
    const { home } = outcome.state
    return home === undefined || home === to ? (home ?? id) : endOf(home)
  }

  /** Another process may have made the stream a pointer meanwhile: then the person lives where it points to. */
  async function meetAt(id: string): Promise<{ contactId: string; state: Contact }> {
    const outcome = await commands.execute(contact, id, meet, context, { unseen })
    if ('position' in outcome) return { contactId: id, state: outcome.state }
    return meetAt(await endOf(id))
  }

  const elsewhere = (await Promise.all(further.map((id) => point(id, first)))).filter((end) => end !== first)
  if (elsewhere.length === 0) return { ...(await meetAt(first)), apart: new Set() }

  if (!(await look(first)).state.exists) {
    const [any = first] = elsewhere
    const end = await endOf(preferred)
    const known = end === first ? any : end
    // Only to a contact that exists may an earlier identity point: see the invariant.
    await point(first, (await look(known)).state.exists ? known : (await meetAt(known)).contactId)
  }
  const settled = await meetAt(await endOf(preferred))
  const ends = await Promise.all(identities.map(async (identity) => ({ index: identity.index, end: await endOf(streamOf(identity)) })))
  const apart = ends.filter(({ end }) => end !== settled.contactId)
  for (const other of new Set(apart.map(({ end }) => end))) {
    if (settled.state.duplicates.includes(other)) continue
    const suspicion = { type: 'suspectDuplicate', contactId: other, at: context.at.toISOString() } as const
    await commands.execute(contact, settled.contactId, suspicion, step(context, `duplicate ${other}`))
  }
  return { ...settled, apart: new Set(apart.map(({ index }) => index)) }
}
