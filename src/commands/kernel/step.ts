import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'

/**
 * The context of a further command of the same use case: its own command id, the same correlation, caused by the first command.
 * Into another tenant the client's address does not go along: it is sealed with the key of the one it came to, and nobody there could open it.
 */
export function step(context: CommandContext, name: string, tenantId = context.tenantId): CommandContext {
  const { ip, ...rest } = context
  return {
    ...rest,
    ...(ip === undefined || tenantId !== context.tenantId ? {} : { ip }),
    tenantId,
    commandId: derivedId('step', context.commandId, name),
    causationId: context.commandId,
  }
}
