import { channel } from '../../domain/channel/channel.ts'
import {
  conversation,
  conversationId as conversationIdOf,
  type ConversationCommand,
  type ConversationRefusal,
} from '../../domain/conversation/conversation.ts'
import type { ConversationEvent, Priority, Sender } from '../../domain/conversation/events.ts'
import type { Conversation } from '../../domain/conversation/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { MeetContact, Person } from '../contacts/meet-contact.ts'
import type { Commands, Outcome } from '../kernel/execute.ts'

/** What to send: Meta's type and its object, already checked by the edge. `replyTo` is the provider's id of the message it answers. */
export type MessageToSend = { readonly type: string; readonly object: unknown; readonly replyTo?: { readonly providerId: string } }

export type SendInput = { readonly messageId: string; readonly message: MessageToSend; readonly sentBy: Sender; readonly priority: Priority }

export type InboxRefusal = ConversationRefusal | 'channel_not_connected'

/** `missing`: there is no such conversation, message or channel in this tenant. */
export type InboxOutcome =
  | { readonly position: Position; readonly version: number; readonly conversationId: string }
  | { readonly refused: InboxRefusal }
  | { readonly stale: { readonly version: number } }
  | { readonly missing: true }

/** `ifVersion`: the stream version that an `If-Match` named. */
type Options = { readonly ifVersion?: number | undefined }

/** What people do with conversations. Idempotent per `context.commandId`, and by nature: what is already so appends nothing. */
export type Inbox = {
  /** Answers in an existing conversation. */
  send: (input: SendInput & { conversationId: string }, context: CommandContext) => Promise<InboxOutcome>
  /** Writes to a person on a channel; starts the conversation where there is none. */
  sendTo: (input: SendInput & { channelId: string; to: Person }, context: CommandContext) => Promise<InboxOutcome>
  retry: (input: { conversationId: string; messageId: string }, context: CommandContext) => Promise<InboxOutcome>
  markRead: (input: { conversationId: string; throughMessageId?: string }, context: CommandContext, options?: Options) => Promise<InboxOutcome>
  setStatus: (
    input: { conversationId: string; status: 'open' | 'pending' | 'resolved' },
    context: CommandContext,
    options?: Options,
  ) => Promise<InboxOutcome>
  snooze: (input: { conversationId: string; until: Date }, context: CommandContext, options?: Options) => Promise<InboxOutcome>
  /** The timer's: ends a snooze whose moment (`context.at`) has come. */
  wake: (input: { conversationId: string }, context: CommandContext) => Promise<InboxOutcome>
}

export function createInbox({ commands, meetContact }: { commands: Commands; meetContact: MeetContact }): Inbox {
  async function run(id: string, command: ConversationCommand, context: CommandContext, options?: Options): Promise<InboxOutcome> {
    const { version } = await commands.load(conversation, context.tenantId, id)
    if (version === 0) return { missing: true }
    return answer(id, await commands.execute(conversation, id, command, context, options))
  }

  async function queue(
    id: string,
    address: { channelId: string; contactId: string },
    input: SendInput,
    context: CommandContext,
  ): Promise<InboxOutcome> {
    const { state } = await commands.load(channel, context.tenantId, address.channelId)
    if (state.status === 'none' || state.status === 'abandoned' || state.status === 'removed') return { missing: true }
    // A degraded channel (its last check failed) still queues: the messages wait until the credentials are mended.
    if (state.status === 'disconnected') return { refused: 'channel_not_connected' }
    const { messageId, message, sentBy, priority } = input
    const content = JSON.stringify({ [message.type]: message.object })
    const replyTo = message.replyTo === undefined ? {} : { replyTo: message.replyTo }
    const command: ConversationCommand = {
      type: 'queue',
      ...address,
      messageId,
      messageType: message.type,
      content,
      ...replyTo,
      sentBy,
      priority,
      at: context.at,
    }
    return answer(id, await commands.execute(conversation, id, command, context))
  }

  return {
    async send(input, context) {
      const { state, version } = await commands.load(conversation, context.tenantId, input.conversationId)
      if (version === 0) return { missing: true }
      return queue(input.conversationId, { channelId: state.channelId, contactId: state.contactId }, input, context)
    },
    async sendTo(input, context) {
      const { channelId } = input
      const { version } = await commands.load(channel, context.tenantId, channelId)
      if (version === 0) return { missing: true }
      const { contactId } = await meetContact(input.to, 'outbound', context)
      return queue(conversationIdOf(context.tenantId, channelId, contactId), { channelId, contactId }, input, context)
    },
    retry: async ({ conversationId, messageId }, context) => run(conversationId, { type: 'retry', messageId }, context),
    markRead: async ({ conversationId, throughMessageId }, context, options) =>
      run(conversationId, { type: 'markRead', ...(throughMessageId === undefined ? {} : { throughMessageId }) }, context, options),
    setStatus: async ({ conversationId, status }, context, options) => run(conversationId, { type: 'setStatus', status }, context, options),
    snooze: async ({ conversationId, until }, context, options) => run(conversationId, { type: 'snooze', until, at: context.at }, context, options),
    wake: async ({ conversationId }, context) => run(conversationId, { type: 'wake', at: context.at }, context),
  }
}

function answer(conversationId: string, outcome: Outcome<ConversationEvent, ConversationRefusal, Conversation>): InboxOutcome {
  if ('refused' in outcome) return outcome.refused === 'unknown_message' || outcome.refused === 'unknown_conversation' ? { missing: true } : outcome
  if ('stale' in outcome) return outcome
  return { position: outcome.position, version: outcome.version, conversationId }
}
