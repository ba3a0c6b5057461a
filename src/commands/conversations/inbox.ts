import { channel } from '../../domain/channel/channel.ts'
import {
  conversation,
  conversationId as conversationIdOf,
  type ConversationCommand,
  type ConversationRefusal,
} from '../../domain/conversation/conversation.ts'
import type { ConversationEvent, Priority, Sender } from '../../domain/conversation/events.ts'
import { queue as mayQueue, type Queue, type Resolve } from '../../domain/conversation/sending.ts'
import { initial, type Conversation } from '../../domain/conversation/state.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Position } from '../../domain/kernel/position.ts'
import type { FindContact } from '../contacts/find-contact.ts'
import type { MeetContact, Person } from '../contacts/meet-contact.ts'
import type { Commands, IfVersion, Outcome } from '../kernel/execute.ts'
import type { CheckTemplate, TemplateNotSendable } from '../templates/check-template.ts'

/** What to send: Meta's type and its object, already checked by the edge. */
export type MessageToSend = {
  readonly type: string
  readonly object: unknown
  /** The message that it answers. */
  readonly replyTo?: { readonly providerId: string }
  /** A reaction: the provider's id of the message that it stands on. */
  readonly reactsTo?: string
  /** The caller's own `biz_opaque_callback_data`: kept with the content and given back. */
  readonly callbackData?: string
  /** Meta delivers only while the customer's identity has this hash. */
  readonly identityKeyHash?: string
}

export type SendInput = { readonly messageId: string; readonly message: MessageToSend; readonly sentBy: Sender; readonly priority: Priority }

export type InboxRefusal = ConversationRefusal | 'channel_not_connected' | 'other_recipient'

/** `missing`: there is no such conversation, message or channel in this tenant. */
export type InboxOutcome =
  | { readonly position: Position; readonly version: number; readonly conversationId: string }
  | { readonly refused: InboxRefusal }
  | TemplateNotSendable
  | { readonly stale: { readonly version: number } }
  | { readonly missing: true }

export type ResolveInput = { readonly conversationId: string } & Omit<Resolve, 'type' | 'at'>

type Options = { readonly ifVersion?: IfVersion }

/** What people do with conversations. Idempotent per `context.commandId`, and by nature: what is already so appends nothing. */
export type Inbox = {
  /** Answers in an existing conversation. `to`: whom the caller means, where it says so; each of them has to be its contact. */
  send: (input: SendInput & { conversationId: string; to?: readonly Person[] }, context: CommandContext) => Promise<InboxOutcome>
  /** Writes to a person on a channel; starts the conversation where there is none. */
  sendTo: (input: SendInput & { channelId: string; to: Person }, context: CommandContext) => Promise<InboxOutcome>
  retry: (input: { conversationId: string; messageId: string; unknownAt?: number }, context: CommandContext) => Promise<InboxOutcome>
  /** Somebody, or the tenant's policy, says what became of a message whose outcome is unknown. */
  resolve: (input: ResolveInput, context: CommandContext) => Promise<InboxOutcome>
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

type Deps = {
  commands: Commands
  meetContact: MeetContact
  findContact: FindContact
  /** What is asked about a template message before it is queued. */
  checkTemplate?: CheckTemplate
}

export function createInbox({ commands, meetContact, findContact, checkTemplate }: Deps): Inbox {
  async function run(id: string, command: ConversationCommand, context: CommandContext, options?: Options): Promise<InboxOutcome> {
    const { version } = await commands.load(conversation, context.tenantId, id)
    if (version === 0) return { missing: true }
    return answer(id, await commands.execute(conversation, id, command, context, options))
  }

  async function queue(id: string, address: Address, input: SendInput, context: CommandContext): Promise<InboxOutcome> {
    return answer(id, await commands.execute(conversation, id, queueing(address, input, context), context))
  }

  /** A degraded channel (its last check failed) still queues: the messages wait until the credentials are mended. */
  async function refusedBy(
    channelId: string,
    { type, object }: MessageToSend,
    context: CommandContext,
  ): Promise<Extract<InboxOutcome, { missing: true } | { refused: unknown }> | undefined> {
    const { state } = await commands.load(channel, context.tenantId, channelId)
    if (state.status === 'none' || state.status === 'abandoned' || state.status === 'removed') return { missing: true }
    if (state.status === 'disconnected') return { refused: 'channel_not_connected' }
    return type === 'template' ? checkTemplate?.({ wabaId: state.wabaId, object }, context) : undefined
  }

  return {
    async send(input, context) {
      const { state, version } = await commands.load(conversation, context.tenantId, input.conversationId)
      if (version === 0) return { missing: true }
      const { channelId, contactId } = state
      for (const person of input.to ?? []) {
        if ((await findContact(context.tenantId, person))?.contactId !== contactId) return { refused: 'other_recipient' }
      }
      return (await refusedBy(channelId, input.message, context)) ?? queue(input.conversationId, { channelId, contactId }, input, context)
    },
    async sendTo(input, context) {
      const { channelId } = input
      const refused = await refusedBy(channelId, input.message, context)
      if (refused !== undefined) return refused
      // Somebody we never met has no conversation, and what an empty one refuses must not leave a contact behind.
      if ((await findContact(context.tenantId, input.to)) === undefined) {
        const decided = mayQueue(queueing({ channelId, contactId: '' }, input, context), initial)
        if ('refused' in decided) return decided
      }
      const { contactId } = await meetContact(input.to, 'outbound', context)
      return queue(conversationIdOf(context.tenantId, channelId, contactId), { channelId, contactId }, input, context)
    },
    retry: async ({ conversationId, ...wish }, context) => run(conversationId, { type: 'retry', ...wish }, context),
    resolve: async ({ conversationId, ...said }, context) => run(conversationId, { type: 'resolve', ...said, at: context.at.toISOString() }, context),
    markRead: async ({ conversationId, throughMessageId }, context, options) =>
      run(conversationId, { type: 'markRead', ...(throughMessageId === undefined ? {} : { throughMessageId }) }, context, options),
    setStatus: async ({ conversationId, status }, context, options) => run(conversationId, { type: 'setStatus', status }, context, options),
    snooze: async ({ conversationId, until }, context, options) => run(conversationId, { type: 'snooze', until, at: context.at }, context, options),
    wake: async ({ conversationId }, context) => run(conversationId, { type: 'wake', at: context.at }, context),
  }
}

type Address = { readonly channelId: string; readonly contactId: string }

/**
 * Content is what clients see: Meta's object under the name of its type and, beside it under Meta's names, what else belongs to the message.
 * All of it is sealed: what callers put into their own field may name people.
 */
function queueing(address: Address, { messageId, message, sentBy, priority }: SendInput, { at }: CommandContext): Queue {
  const { type, object, replyTo, reactsTo, callbackData, identityKeyHash } = message
  const content = {
    [type]: object,
    ...(callbackData === undefined ? {} : { biz_opaque_callback_data: callbackData }),
    ...(identityKeyHash === undefined ? {} : { recipient_identity_key_hash: identityKeyHash }),
  }
  return {
    type: 'queue',
    ...address,
    messageId,
    messageType: type,
    content: JSON.stringify(content),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(reactsTo === undefined ? {} : { reactsTo }),
    sentBy,
    priority,
    at,
  }
}

function answer(conversationId: string, outcome: Outcome<ConversationEvent, ConversationRefusal, Conversation>): InboxOutcome {
  if ('refused' in outcome) return outcome.refused === 'unknown_message' || outcome.refused === 'unknown_conversation' ? { missing: true } : outcome
  if ('stale' in outcome) return outcome
  return { position: outcome.position, version: outcome.version, conversationId }
}
