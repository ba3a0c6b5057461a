import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Priority } from '../../../domain/conversation/events.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import { sendingPolicy, type UnknownPolicy } from '../../../domain/tenant/sending-settings.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import type { Inbox } from '../../conversations/inbox.ts'
import type { Commands } from '../../kernel/execute.ts'
import { readTenantsInDoubt, readUnknown, type UnknownRow } from './unknown-rows.ts'

export type UnknownOutcomes = {
  readonly pool: Pool
  readonly commands: Commands
  readonly inbox: Pick<Inbox, 'retry' | 'resolve'>
  readonly clock: Clock
  readonly log: Pick<Logger, 'warn' | 'info'>
  readonly signal: AbortSignal
  readonly everyMs?: number
}

const priorities: readonly Priority[] = ['agent', 'automation', 'campaign']
const atOnce = 500

/**
 * Applies each organisation's policy to messages of which nobody knows whether they left: UNKNOWN → (the provider reports, or a person decides, at any time)
 * → after the wait: asked about (stays) | sent again, once | given up.
 * Needs no lease and no memory: what it acts on stands in the log, each decision has one id per attempt, and the conversation takes it only while exactly that
 * attempt is still unknown. So two processes, a restart or a report at the same moment change nothing.
 */
export async function runUnknownOutcomes(deps: UnknownOutcomes): Promise<void> {
  const { log, signal, everyMs = 10_000 } = deps
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    try {
      await applyPolicies(deps)
    } catch (error) {
      log.warn({ err: error }, 'messages of unknown outcome could not be looked through; trying again')
    }
  }
}

/** One look at all of them. */
export async function applyPolicies({ pool, commands, inbox, clock, log }: Omit<UnknownOutcomes, 'signal' | 'everyMs'>): Promise<void> {
  const now = clock()

  async function apply(tenantId: string, row: UnknownRow, policy: Exclude<UnknownPolicy, 'ask'>): Promise<void> {
    const { conversationId, messageId, attempt } = row
    const commandId = derivedId('unknown-outcome', messageId, String(attempt), policy)
    const by = { kind: 'process', id: 'unknown-outcomes' } as const
    const context: CommandContext = { tenantId, actor: by, commandId, correlationId: commandId, causationId: commandId, at: now }
    const wish = { conversationId, messageId, unknownAt: attempt }
    if (policy === 'resend_after') await inbox.retry(wish, context)
    else await inbox.resolve({ ...wish, as: 'failed', by: 'policy' }, context)
    log.info({ messageId, policy }, 'the policy for unknown outcomes was applied')
  }

  for (const tenantId of await readTenantsInDoubt(pool)) {
    const { unknown, unknownWaitMs } = sendingPolicy((await commands.load(tenant, tenantId, tenantId)).state.settings)
    const before = new Date(now.getTime() - unknownWaitMs)
    for (const priority of priorities) {
      const policy = unknown[priority]
      if (policy === 'ask') continue
      const rows = await readUnknown(pool, { tenantId, before, priority, firstOnly: policy === 'resend_after', limit: atOnce })
      for (const row of rows) await apply(tenantId, row, policy)
    }
  }
}
