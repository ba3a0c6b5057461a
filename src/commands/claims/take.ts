import { claim, claimId, type ClaimKind } from '../../domain/claim/claim.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

export type Holder = { readonly tenantId: string; readonly holderId: string }

/**
 * Makes sure that a holder which does not exist (its maker died between claiming and creating), or no longer exists (its remover died before releasing),
 * can never come to exist, by fencing its own stream. False when it is alive.
 */
export type Abandon = (holder: Holder, context: CommandContext) => Promise<boolean>

/**
 * How long a claimer is left in peace. Without it three who want one name fence each other until none has it. The clock decides about manners only:
 * that two never hold one name rests on the fence.
 */
const aliveMs = 30_000

/**
 * Takes a name for a holder that is about to be created: claim first, create second, so two never hold one name.
 * A claim left behind by a dead process is no dead end: its holder is fenced and the claim released, without a sweeper.
 */
export async function takeClaim(
  commands: Commands,
  { kind, value, abandon, ...holder }: Holder & { kind: ClaimKind; value: string; abandon: Abandon },
  context: CommandContext,
): Promise<{ position: Position } | { refused: 'taken' }> {
  const id = claimId(kind, value)
  // A second try after a release may meet a third one who wants the same name; then that one has it.
  for (const name of ['claim', 'claim again']) {
    const outcome = await commands.execute(claim, id, { type: 'claim', kind, ...holder, at: context.at }, step(context, name, platformTenant))
    if ('position' in outcome) return outcome
    const { holder: other } = (await commands.load(claim, platformTenant, id)).state
    if (other === undefined) continue
    if (context.at.getTime() - other.since.getTime() < aliveMs) break
    if (!(await abandon(other, step(context, `abandon ${other.holderId}`, other.tenantId)))) break
    await commands.execute(
      claim,
      id,
      { type: 'release', tenantId: other.tenantId, holderId: other.holderId },
      step(context, `release ${other.holderId}`, platformTenant),
    )
  }
  return { refused: 'taken' }
}

/** Gives a name back; harmless when somebody else has it by now. */
export async function releaseClaim(commands: Commands, kind: ClaimKind, value: string, holder: Holder, context: CommandContext): Promise<void> {
  await commands.execute(claim, claimId(kind, value), { type: 'release', ...holder }, step(context, 'release', platformTenant))
}
