import type { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import type { MessageError } from '../../../domain/conversation/events.ts'
import { outgoingOf } from '../../../domain/conversation/state.ts'
import type { Clock } from '../../../domain/kernel/clock.ts'
import type { Position } from '../../../domain/kernel/position.ts'
import { SealBroken, type Opened, type SealContext, type Vault } from '../../../domain/kernel/vault.ts'
import type { AddressOf } from '../../contacts/address-of.ts'
import type { ResolveMedia } from '../../media/resolve-media.ts'
import type { CloudApi, CloudApiAccount, OutgoingMessage, ProviderError, SendOutcome } from '../../ports/cloud-api.ts'
import type { Content } from './outbox-changes.ts'
import { readContent, type OutboxRow } from './outbox-table.ts'
import type { ThroughputFacts } from './rates.ts'
import type { Recorded, Recording } from './recording.ts'
import { judge, type ChannelEffect, type Result, type Verdict } from './verdict.ts'

/** The account of a channel that can be used now. */
export type SendingAccount = CloudApiAccount & ThroughputFacts
export type AccountOf = (tenantId: string, channelId: string) => Promise<SendingAccount | undefined>

/** What an attempt needs to know of the channel's owner. */
export type Holding = {
  /** One hold of the channel: owner and fencing token. */
  readonly holder: string
  /** Whether the lease is certainly still ours. */
  readonly mayCall: () => boolean
  /** Calls in a row that ended in trouble of the channel. */
  readonly streak: () => number
  /** It waits for the provider and not for us from here on: an upload begins, or the call leaves. May be said twice. */
  readonly leaves: () => void
}

export type Attempted = {
  readonly end: { readonly settled: Position } | { readonly again: OutboxRow }
  readonly channel: ChannelEffect
  readonly called?: SendOutcome['outcome']
  readonly throughput?: ThroughputFacts
}

type Prepared = {
  readonly content: Content
  readonly account: SendingAccount
  readonly message: OutgoingMessage
  readonly original: { type: string; object: unknown }
}
type Deps = {
  recording: Recording
  pool: Pool
  cloudApi: CloudApi
  vault: Pick<Vault, 'open'>
  accountOf: AccountOf
  recipientOf: AddressOf
  media: ResolveMedia
  contents: LRUCache<string, Content>
  clock: Clock
  random: () => number
  /** Ends calls that must not be waited for any longer. */
  hardStop: AbortSignal
}

const disconnectedPauseMs = 30_000
const uploadPauseMs = 10_000
const maxAgeMs = 24 * 60 * 60 * 1000
/** Longer than any call of a living sender takes to be answered and recorded. */
const foreignMs = 90_000
const lookAgainMs = 3_000

/**
 * One try of one message: PREPARED → ATTEMPT RECORDED → CALLED → RESULT RECORDED.
 * Everything that can go wrong on our side goes wrong before the attempt is recorded, and everything is known to be recorded before the call leaves.
 * Invariant: at most one call per recorded attempt. Whoever finds an attempt that is not its own never calls for it.
 */
export function createAttempt(deps: Deps): (row: OutboxRow, holding: Holding) => Promise<Attempted> {
  const { recording, pool, cloudApi, vault, accountOf, recipientOf, media, contents, clock, random, hardStop } = deps
  const foreign = new Map<string, number>()
  const now = (): number => clock().getTime()

  async function opening(context: SealContext, sealed: string): Promise<Opened | { broken: true }> {
    try {
      return await vault.open(context, sealed)
    } catch (error) {
      // No repeat can mend it; anything else (the database is away) is over some time.
      if (error instanceof SealBroken) return { broken: true }
      throw error
    }
  }

  async function prepare(
    row: OutboxRow,
    { leaves }: Pick<Holding, 'leaves'>,
  ): Promise<
    | Prepared
    | { unsendable: MessageError; content: Content }
    | { waiting: MessageError; content: Content }
    | { gone: true }
    | { account: undefined; content: Content }
  > {
    const { tenantId, channelId, contactId, messageId } = row
    const content = contents.get(messageId) ?? (await readContent(pool, tenantId, messageId))
    if (content === undefined) return { gone: true }
    contents.set(messageId, content)
    const [account, to, opened] = await Promise.all([
      accountOf(tenantId, channelId),
      recipientOf(tenantId, contactId),
      opening({ tenantId, subject: contactId, eventId: content.eventId, field: 'content' }, content.content),
    ])
    if ('broken' in opened) return { unsendable: unreadable, content }
    if ('erased' in opened || 'erased' in to) return { unsendable: problem('contact_erased', 'The data of this contact was erased'), content }
    if ('missing' in to) return { unsendable: problem('recipient_unknown', 'The contact has no number or user id to send to'), content }
    if (account === undefined) return { account, content }
    const said = saidIn(opened.text, content.messageType)
    if (said === undefined) return { unsendable: unreadable, content }
    const type = content.messageType
    // Meanwhile others are prepared: uploads of one tenant, of which each may take half a minute, would otherwise hold up everybody's next message.
    const resolved = await media.resolve(account, { tenantId, channelId, type, object: said.object }, { signal: hardStop, onUpload: leaves })
    if ('failed' in resolved) {
      const { code, title, later } = resolved.failed
      return later ? { waiting: { code, title, retryable: true }, content } : { unsendable: problem(code, title), content }
    }
    const message = {
      to,
      type,
      ...said,
      object: resolved.object,
      callbackData: messageId,
      ...(content.replyTo === null ? {} : { replyTo: content.replyTo }),
    }
    return { content, account, message, original: { type, object: said.object } }
  }

  /** The attempt is refused: somebody else was there, or our own answer got lost. */
  async function refused(row: OutboxRow, attempt: number, holder: string, content: Content): Promise<'ours' | Attempted['end']> {
    const { state, position, ours } = await recording.lookUp(row, attempt, holder)
    const message = outgoingOf(state, row.messageId)
    if (message === undefined) return { settled: row.position }
    if (message.stage === 'queued') return { again: { ...row, attempt: message.attempt, dueAt: new Date(now() + lookAgainMs), position } }
    if (message.stage !== 'sending') return { settled: position }
    if (message.attempt === attempt && ours) return 'ours'
    const key = `${row.messageId} ${message.attempt}`
    const since = foreign.get(key) ?? now()
    if (now() - since < foreignMs) {
      foreign.set(key, since)
      return { again: { ...row, dueAt: new Date(now() + lookAgainMs) } }
    }
    foreign.delete(key)
    const step = { type: 'recordUnknown', messageId: row.messageId, attempt: message.attempt, reason: lostSender } as const
    return endOf(row, await recording.result(row, step, content, hardStop), now())
  }

  async function call(prepared: Prepared, holding: Holding): Promise<SendOutcome> {
    // The attempt was recorded and the lease ran out meanwhile: nothing left, so the next owner may send it.
    if (!holding.mayCall()) return { outcome: 'not_sent', reason: 'the sender lost its hold of the channel before the call' }
    const called = cloudApi.send(prepared.account, prepared.message, hardStop).catch((error: unknown): SendOutcome => {
      return { outcome: 'unknown', reason: error instanceof Error ? error.message : 'the call broke off' }
    })
    // Nobody waits longer than that, also not for a call that does not heed the signal. A promise of its own for every call:
    // one for all of them would keep a reaction, with the outcome, of each send until the process ends.
    const stopped = Promise.withResolvers<SendOutcome>()
    const stop = (): void => stopped.resolve({ outcome: 'unknown', reason: 'the sender was stopped before the answer came' })
    if (hardStop.aborted) stop()
    hardStop.addEventListener('abort', stop)
    try {
      return await Promise.race([called, stopped.promise])
    } finally {
      hardStop.removeEventListener('abort', stop)
    }
  }

  /** Meta has forgotten the copy of a file that the message names: sent again at once, with a new copy. Once per try of somebody, so that it ends. */
  async function withoutItsFile(row: OutboxRow, { original }: Prepared, outcome: SendOutcome, tries: number): Promise<Verdict | undefined> {
    if (outcome.outcome !== 'rejected' || !meansUnknownFile(outcome.error) || tries > 2) return undefined
    const { tenantId, channelId } = row
    if (!(await media.forget({ tenantId, channelId, ...original }))) return undefined
    const error: MessageError = { code: 'media_forgotten', title: 'Meta no longer had the file; it is uploaded again', retryable: true }
    return { result: { kind: 'deferred', error, retryAt: now() }, channel: {} }
  }

  async function fail(row: OutboxRow, error: MessageError, holder: string, content: Content): Promise<Attempted> {
    const step = { type: 'recordFailed', messageId: row.messageId, attempt: row.attempt + 1, error, at: clock().toISOString() } as const
    const recorded = await recording.failure(row, step, holder, content)
    return { end: endOf(row, recorded, now()), channel: {} }
  }

  return async (row, holding) => {
    const prepared = await prepare(row, holding)
    if ('gone' in prepared) return { end: { settled: row.position }, channel: {} }
    const { content } = prepared
    if ('unsendable' in prepared) return fail(row, prepared.unsendable, holding.holder, content)
    if ('waiting' in prepared) {
      if (now() - row.queuedAt.getTime() > maxAgeMs) return fail(row, prepared.waiting, holding.holder, content)
      return { end: { again: { ...row, dueAt: new Date(now() + uploadPauseMs) } }, channel: {} }
    }
    if (prepared.account === undefined) {
      if (now() - row.queuedAt.getTime() > maxAgeMs) return fail(row, notConnected, holding.holder, content)
      return { end: { again: row }, channel: { pauseMs: disconnectedPauseMs, trouble: notConnected } }
    }

    const attempt = row.attempt + 1
    const recorded = await recording.attempt(row, attempt, holding.holder, content)
    if (!('events' in recorded)) {
      const end = await refused(row, attempt, holding.holder, content)
      if (end !== 'ours') return { end, channel: {} }
    }
    holding.leaves()
    const outcome = await call(prepared, holding)
    const tries = attempt - row.attemptsBefore
    const judged = judge(outcome, { tries, queuedAt: row.queuedAt.getTime(), now: now(), streak: holding.streak() + 1, random: random() })
    const { result, channel } = (await withoutItsFile(row, prepared, outcome, tries)) ?? judged
    const stored = await recording.result(row, stepOf(row.messageId, attempt, result, clock()), content, hardStop)
    const end = endOf(row, stored, result.kind === 'deferred' ? result.retryAt : now())
    if ('settled' in end) contents.delete(row.messageId)
    return { end, channel, called: outcome.outcome, throughput: prepared.account }
  }
}

export const lostSender = 'The sender ended between the call and its answer: nobody knows whether the message left.'

/** Where the message stands now is what the conversation says, not what we meant to record: somebody may have been faster. */
function endOf(row: OutboxRow, recorded: Recorded, dueAt: number): Attempted['end'] {
  if (!('state' in recorded)) return { settled: row.position }
  const message = outgoingOf(recorded.state, row.messageId)
  if (message?.stage !== 'queued') return { settled: recorded.position }
  return { again: { ...row, state: 'queued', attempt: message.attempt, dueAt: new Date(dueAt), position: recorded.position } }
}

function stepOf(messageId: string, attempt: number, result: Result, at: Date): Parameters<Recording['result']>[1] {
  switch (result.kind) {
    case 'accepted':
      return { type: 'recordAccepted', messageId, attempt, providerId: result.providerId }
    case 'deferred':
      return { type: 'recordDeferred', messageId, attempt, error: result.error, retryAt: new Date(result.retryAt).toISOString() }
    case 'failed':
      return { type: 'recordFailed', messageId, attempt, error: result.error, at: at.toISOString() }
    case 'unknown':
      return { type: 'recordUnknown', messageId, attempt, reason: result.reason }
    default:
      return result satisfies never
  }
}

/** Content is the JSON text of `{"<type>": <Meta's object>, "recipient_identity_key_hash"?: …}`. */
function saidIn(text: string, type: string): Pick<OutgoingMessage, 'object' | 'identityKeyHash'> | undefined {
  try {
    const content = JSON.parse(text) as Record<string, unknown> | null
    const object = content?.[type]
    const hash = content?.['recipient_identity_key_hash']
    return object === undefined ? undefined : { object, ...(typeof hash === 'string' ? { identityKeyHash: hash } : {}) }
  } catch {
    return undefined
  }
}

/** Meta has no code of its own for it: 100 and these words, or 131009 for a template's file. */
const meansUnknownFile = ({ code, message, details = '' }: ProviderError): boolean =>
  (code === 100 || code === 131009) && /media|attachment/i.test(`${message} ${details}`)

const problem = (code: string, title: string): MessageError => ({ code, title, retryable: false })
const unreadable = problem('content_unreadable', 'The message cannot be read')
const notConnected: MessageError = { code: 'channel_not_connected', title: 'The channel is not connected', retryable: true }
