import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'

/** The context of a further command of the same use case: its own command id, the same correlation, caused by the first command. */
export const step = (context: CommandContext, name: string, tenantId = context.tenantId): CommandContext => ({
  ...context,
  tenantId,
  commandId: derivedId('step', context.commandId, name),
  causationId: context.commandId,
})
