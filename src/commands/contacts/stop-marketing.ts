import { contact } from '../../domain/contact/contact.ts'
import { conversation } from '../../domain/conversation/conversation.ts'
import type { MessageError } from '../../domain/conversation/events.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'

/** Meta's code for "this person stopped marketing messages", as the answer to a send or in a failed status: to be kept, not only to be shown as a failure. */
export const saysStop = (error: Pick<MessageError, 'code'> | undefined): boolean => error?.code === 'provider_131050'

/** Keeps as a consent what Meta said of the person of a conversation. The same again, or from before a later word, changes nothing. */
export type StopMarketing = (conversationId: string, at: string, context: CommandContext) => Promise<void>

export function createStopMarketing({ commands }: { commands: Pick<Commands, 'load' | 'execute'> }): StopMarketing {
  return async (conversationId, at, context) => {
    const { state } = await commands.load(conversation, context.tenantId, conversationId)
    if (state.status === 'none') return
    const wish = { type: 'changeConsent', purpose: 'marketing', granted: false, source: 'whatsapp', at } as const
    await commands.execute(contact, state.contactId, wish, step(context, 'stop marketing'))
  }
}
