import { z } from 'zod'
import type { Inbox, InboxOutcome, MessageToSend } from '../../commands/conversations/inbox.ts'
import type { CheckMedia } from '../../commands/media/check-media.ts'
import type { Sender } from '../../domain/conversation/events.ts'
import { outgoingBody, outgoingContent, type OutgoingContent } from '../../domain/conversation/outgoing.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getMessage, getMessageByProviderId } from '../../projections/messages/queries.ts'
import { accepted, type Call } from '../http/call.ts'
import { line } from '../http/fields.ts'
import type { Principal } from '../http/principal.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { done } from './refusals.ts'

const queued = z.object({ id: z.string(), conversation_id: z.string(), status: z.literal('queued') }).meta({ id: 'QueuedMessage' })
const queuedResponse = { 202: { description: 'It will be sent; the feed and GET /v1/messages/{id} tell how far it is', schema: queued } }
const explained =
  'Meta\'s send body, or short `{"text": "…"}`. `context.message_id` may be Meta\'s id or ours. With an `Idempotency-Key` a repeat is the same message, also after a crash.'

const phone = z
  .string()
  .max(40)
  .regex(/^\+?[0-9][0-9 ().-]*$/, 'must be a phone number with its country code')
  .transform((text) => text.replaceAll(/\D/g, ''))
  .pipe(z.string().regex(/^[1-9]\d{6,14}$/, 'must be a phone number with its country code'))

const recipient = {
  to: phone.optional().meta({ type: 'string', description: 'Phone with country code' }),
  recipient: line(200).optional().meta({ description: "Meta's business-scoped user id, for who hides the phone" }),
}
const address = { channel_id: line(100), ...recipient }
const templateProblems = ['template_not_found', 'template_not_approved', 'template_parameters'] as const
/** A message that the new one answers may be named by our id: found in here. */
const named = ['messages']
const conversationParams = z.object({ id: z.string().min(1).max(100) })

/** Sending, in an existing conversation or to an address. */
export function sendingRoutes({
  inbox,
  reader,
  checkMedia,
}: {
  inbox: Pick<Inbox, 'send' | 'sendTo'>
  reader: TenantQueries
  checkMedia: CheckMedia
}): readonly Route[] {
  async function input(call: Call<unknown, unknown, Parameters<typeof outgoingContent>[0]>) {
    const message = await toSend(reader, call.tenantId, outgoingContent(call.body))
    const mistakes = await checkMedia(call.tenantId, message.type, message.object)
    if (mistakes.length > 0) throw problem('invalid_request', { errors: mistakes.map((one) => ({ ...one, path: `body.${one.path}` })) })
    return { messageId: derivedId('outgoing', call.context.commandId), message, sentBy: sentBy(call.principal), priority: 'agent' as const }
  }
  const answer = (messageId: string, outcome: InboxOutcome) => {
    const { position, conversationId } = done(outcome)
    return accepted({ id: messageId, conversation_id: conversationId, status: 'queued' }, { position, location: `/v1/messages/${messageId}` })
  }

  return [
    route({
      method: 'post',
      path: '/v1/conversations/{id}/messages',
      tag: 'Messages',
      summary: 'Answer in a conversation',
      description: `${explained} The conversation says to whom: \`to\` and \`recipient\` may be left out, and must not name somebody else.`,
      access: 'messages:write',
      params: conversationParams,
      body: outgoingBody(recipient),
      responses: queuedResponse,
      reads: named,
      problems: [...templateProblems, 'window_closed', 'channel_not_connected', 'recipient_mismatch'],
      async handle(call) {
        const { to: waId, recipient: bsuid } = call.body
        const to = [...(waId === undefined ? [] : [{ waId }]), ...(bsuid === undefined ? [] : [{ bsuid }])]
        const sending = await input(call)
        return answer(sending.messageId, await inbox.send({ ...sending, conversationId: call.params.id, to }, call.context))
      },
    }),
    route({
      method: 'post',
      path: '/v1/messages',
      tag: 'Messages',
      summary: 'Write to somebody; starts the conversation where there is none',
      description: explained,
      access: 'messages:write',
      body: outgoingBody(address),
      responses: queuedResponse,
      reads: named,
      problems: [...templateProblems, 'window_closed', 'channel_not_connected', 'not_found'],
      async handle(call) {
        const { channel_id: channelId, to, recipient } = call.body
        if (to === undefined && recipient === undefined) {
          throw problem('invalid_request', { errors: [{ path: 'body.to', code: 'required', message: 'is missing (or `recipient`)' }] })
        }
        const sending = await input(call)
        return answer(sending.messageId, await inbox.sendTo({ ...sending, channelId, to: { waId: to, bsuid: recipient } }, call.context))
      },
    }),
  ]
}

/** Messages named in it may be named by our ids; the provider needs its own. */
async function toSend(reader: TenantQueries, tenantId: string, { contextId, ...content }: OutgoingContent): Promise<MessageToSend> {
  if (content.type === 'reaction') {
    const reaction = content.object as { message_id: string; emoji: string }
    const reactsTo = await providerIdOf(reader, tenantId, reaction.message_id, 'body.reaction.message_id')
    return { ...content, object: { ...reaction, message_id: reactsTo }, reactsTo }
  }
  if (contextId === undefined) return content
  return { ...content, replyTo: { providerId: await providerIdOf(reader, tenantId, contextId, 'body.context.message_id') } }
}

async function providerIdOf(reader: TenantQueries, tenantId: string, id: string, path: string): Promise<string> {
  if (id.startsWith('wamid.')) return id
  // Meta promises nothing about how its ids look: one that does not begin with `wamid.` is good when it is that of a message here.
  const named = (await getMessage(reader, tenantId, id)) ?? (await getMessageByProviderId(reader, tenantId, id))
  if (typeof named?.providerId === 'string') return named.providerId
  const message = 'is neither an id of Meta nor of a message here that Meta knows'
  throw problem('invalid_request', { errors: [{ path, code: 'unknown_message', message }] })
}

const sentBy = ({ actor }: Principal): Sender => ({
  kind: actor.kind === 'user' ? 'user' : 'api',
  id: actor.id,
  ...(actor.name === undefined ? {} : { name: actor.name }),
})
