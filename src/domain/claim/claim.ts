import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { ClaimEvent } from './events.ts'

/** `holder` is who has it now, if anybody. */
export type Claim = { readonly holder?: { readonly tenantId: string; readonly holderId: string; readonly since: Date } }
export type ClaimKind = 'slug' | 'number'

export type ClaimCommand =
  | { readonly type: 'claim'; readonly kind: ClaimKind; readonly tenantId: string; readonly holderId: string; readonly at: Date }
  /** Only the holder's own claim is released: a late release must not take it from the next one. */
  | { readonly type: 'release'; readonly tenantId: string; readonly holderId: string }

function evolve(_state: Claim, event: ClaimEvent): Claim {
  switch (event.type) {
    case 'Claimed':
      return { holder: { tenantId: event.tenantId, holderId: event.holderId, since: new Date(event.at) } }
    case 'ClaimReleased':
      return {}
    default:
      return event satisfies never
  }
}

function decide(command: ClaimCommand, { holder }: Claim): Decision<ClaimEvent, 'taken'> {
  const { tenantId, holderId } = command
  const mine = holder?.tenantId === tenantId && holder.holderId === holderId
  switch (command.type) {
    case 'claim':
      if (mine) return nothing
      if (holder !== undefined) return refuse('taken')
      return happened({ type: 'Claimed', kind: command.kind, tenantId, holderId, at: command.at.toISOString() })
    case 'release':
      return mine ? happened({ type: 'ClaimReleased', tenantId, holderId }) : nothing
    default:
      return command satisfies never
  }
}

/** One stream per claimed name, in the platform tenant: two who want the same meet there, and one of them is refused. */
export const claim: Aggregate<ClaimCommand, ClaimEvent, Claim, 'taken'> = {
  category: 'claim',
  initial: {},
  evolve,
  decide,
  subject: (id) => `claim:${id}`,
}

export const claimId = (kind: ClaimKind, value: string): string => `${kind}:${value}`
