import type { DomainEvent, EventOf } from '../../../domain/catalogue.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { Category } from '../../../domain/kernel/stream.ts'
import { channelSentence } from './channel.ts'
import { contactSentence } from './contact.ts'
import { conversationSentence } from './conversation.ts'
import { parkingSentence, replaySentence } from './repair.ts'
import { accountSentence, alertSentence, auditSentence, deliverySentence, mediaSentence } from './system.ts'
import { templateSentence } from './template.ts'
import { claimSentence, tenantSentence, userSentence } from './tenant.ts'
import { sentenceCase, type Voice } from './voice.ts'

const speakers: { readonly [C in Category]: (event: EventOf<C>, voice: Voice) => string } = {
  tenant: tenantSentence,
  claim: claimSentence,
  channel: channelSentence,
  contact: contactSentence,
  conversation: conversationSentence,
  delivery: deliverySentence,
  user: userSentence,
  template: templateSentence,
  account: accountSentence,
  alert: alertSentence,
  media: mediaSentence,
  audit: auditSentence,
  projection: parkingSentence,
  replay: replaySentence,
}

/** Any event of the log in a sentence for a person. Its sealed fields stay sealed. */
export function sentence(recorded: RecordedEvent, voice: Voice): string {
  const speak = speakers[recorded.stream.category] as (event: DomainEvent, voice: Voice) => string
  return sentenceCase(speak(fromStored<DomainEvent>(recorded), voice))
}
