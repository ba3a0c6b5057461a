import type { ConversationEvent } from '../../domain/conversation/events.ts'
import type { Actor } from '../../domain/kernel/envelope.ts'
import { conversationSentence } from '../audit/sentences/conversation.ts'
import { actorName, sentenceCase } from '../audit/sentences/voice.ts'

/** One event of a conversation in a sentence for a person, in the words of the audit trail; it does not name the customer and quotes nothing. */
export const summary = (event: ConversationEvent, actor?: Actor): string =>
  sentenceCase(
    conversationSentence(event, { by: actor === undefined ? 'somebody' : actorName(actor), customer: 'the customer', thing: 'the conversation' }),
  )
