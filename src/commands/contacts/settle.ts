import { contact, contactIdOf, type Meet } from '../../domain/contact/contact.ts'
import type { Contact } from '../../domain/contact/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

export type Settled = { readonly contactId: string; readonly state: Contact }

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
 * stay: the first identity's is met, and the other is recorded as its duplicate.
 */
export async function settle(
  commands: Commands,
  meet: Meet,
  context: CommandContext,
  { unseen = false }: { unseen?: boolean } = {},
): Promise<Settled> {
  const { tenantId } = context
  const [first, ...further] = meet.identities.map(({ index }) => contactIdOf(tenantId, index))
  if (first === undefined) throw new Error('a contact needs an identity')

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
  async function meetAt(id: string): Promise<Settled> {
    const outcome = await commands.execute(contact, id, meet, context, { unseen })
    if ('position' in outcome) return { contactId: id, state: outcome.state }
    return meetAt(await endOf(id))
  }

  const elsewhere = new Set((await Promise.all(further.map((id) => point(id, first)))).filter((end) => end !== first))
  const [known] = elsewhere
  if (known !== undefined && !(await look(first)).state.exists) {
    // Only to a contact that exists may an earlier identity point: see the invariant.
    const { contactId } = (await look(known)).state.exists ? { contactId: known } : await meetAt(known)
    await point(first, contactId)
  }
  const settled = await meetAt(first)
  for (const id of elsewhere) {
    const other = await endOf(id)
    if (other === settled.contactId || settled.state.duplicates.includes(other)) continue
    const suspicion = { type: 'suspectDuplicate', contactId: other, at: context.at.toISOString() } as const
    await commands.execute(contact, settled.contactId, suspicion, step(context, `duplicate ${other}`))
  }
  return settled
}
