import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing } from '../kernel/decider.ts'
import { plain } from '../kernel/secret.ts'
import type { roles, UserEvent } from './events.ts'

export type Role = (typeof roles)[number]
export type User = { readonly exists: boolean; readonly role?: Role }
/** `emailIndex` is the blind index of the address, so that it can be found without being read. */
export type InviteUser = { readonly type: 'invite'; readonly name: string; readonly email: string; readonly emailIndex: string; readonly role: Role }

export const user: Aggregate<InviteUser, UserEvent, User, never> = {
  category: 'user',
  initial: { exists: false },
  evolve: (_state, event) => ({ exists: true, role: event.role }),
  decide: ({ name, email, emailIndex, role }, state) =>
    state.exists ? nothing : happened({ type: 'UserInvited', name: plain(name), email: plain(email), emailIndex, role }),
  subject: (id) => `user:${id}`,
}
