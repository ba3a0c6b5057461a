import { z } from 'zod'
import type { Clock } from '../../domain/kernel/clock.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { EventStore } from '../../domain/kernel/event-store.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { sealedText, type Secret } from '../../domain/kernel/secret.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { inboundLifeMs, media, mediaIdOf, type MediaCommand } from '../../domain/media/media.ts'
import { largestFile } from '../../domain/media/rules.ts'
import type { Commands } from '../kernel/execute.ts'
import type { CallResult, CloudApiAccount } from '../ports/cloud-api.ts'
import type { DescribedMedia, MediaApi } from '../ports/media-api.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { keepFile } from './keep-file.ts'
import { createPurgeMedia } from './purge-media.ts'
import { FileTooLarge, spool, type Spooled } from './spool.ts'

/** Which event of which conversation brought the file: everything else stands there. */
export const fetchJob = z.object({ tenantId: z.uuid(), conversationId: z.string(), version: z.number().int().min(1) })
export type FetchJob = z.infer<typeof fetchJob>

/** Events that may bring a file. */
export const bringingTypes = ['MessageReceived', 'MessageRecorded', 'MessageCompleted'] as const
type Bringing = Extract<ConversationEvent, { type: (typeof bringingTypes)[number] }>
export type WithMedia = Bringing & { readonly media: NonNullable<Bringing['media']> }

/** The event, if it brings a file. */
export function bringing(stored: Pick<RecordedEvent, 'type' | 'schemaVersion' | 'data'>): WithMedia | undefined {
  const event = fromStored<ConversationEvent>(stored)
  const isOne = event.type === 'MessageReceived' || event.type === 'MessageRecorded' || event.type === 'MessageCompleted'
  return isOne && event.media !== undefined ? (event as WithMedia) : undefined
}

export type FetchDeps = {
  readonly events: Pick<EventStore, 'readStream'>
  readonly commands: Pick<Commands, 'load' | 'executeAll'>
  readonly vault: Vault
  readonly store: Pick<MediaStore, 'put' | 'remove'>
  readonly mediaApi: Pick<MediaApi, 'describe' | 'download'>
  readonly accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined>
  readonly clock: Clock
}

/** The try failed and there will be another one. The reason is a code: it ends in an event and in the table of jobs. */
class FetchFailed extends Error {
  override readonly name = 'FetchFailed'
}

type Failure = { readonly failed: string; readonly final?: true }
/** A hash or a length that stays wrong is no accident of the line. */
const patience = 5

/**
 * One try to fetch a customer's file: DESCRIBED (its address) → SPOOLED (whole, within the limit, with the right hash) → KEPT (sealed, in the store) →
 * REPORTED. Whatever breaks off before the report is done again from the start, onto the same keys.
 * Resolves when there is nothing more to do; throws `FetchFailed` when there is.
 */
export function createFetchMedia(deps: FetchDeps): (job: FetchJob, one: { attempt: number; signal: AbortSignal }) => Promise<void> {
  const { events, commands, vault, clock } = deps
  const purge = createPurgeMedia(deps)

  return async (job, one) => {
    const { tenantId } = job
    const found = await eventOf(events, job)
    const event = found === undefined ? undefined : bringing(found)
    if (found === undefined || event === undefined) return
    const mediaId = mediaIdOf(tenantId, event.messageId)
    const { state } = await commands.load(media, tenantId, mediaId)
    // Erased while an earlier try was storing it.
    if (state.state === 'erased') return purge({ tenantId, mediaId })
    if (state.state !== 'none' && state.state !== 'pending') return
    const at = 'at' in event ? event.at : found.meta.occurredAt
    const report = (command: MediaCommand, ...about: string[]) => record(found, event, mediaId, at, { command, about })

    const content = await contentOf(tenantId, event, found.id)
    // Who was erased is not fetched again under a new key.
    if ('erased' in content) return void (await report({ type: 'erase' }))
    const got = await get(tenantId, event, one)
    if ('failed' in got) {
      const { failed: reason, final = false } = got
      if (!final && clock().getTime() - toldAt(found, event, at) > inboundLifeMs) return void (await report({ type: 'expire' }))
      await report({ type: 'recordFailure', reason, final }, reason, String(one.attempt))
      if (final) return
      throw new FetchFailed(reason)
    }
    try {
      const filename = filenameIn(content.text, event.messageType)
      const mimeType = event.media.mimeType ?? got.mimeType
      const kept = await keepFile(deps, got.file, { tenantId, mediaId, subject: event.contactId, mimeType, filename })
      if ((await report(kept)) === 'erased') await purge({ tenantId, mediaId })
    } finally {
      await got.file.dispose()
    }
  }

  async function record(
    found: RecordedEvent,
    event: WithMedia,
    mediaId: string,
    at: string,
    { command, about }: { command: MediaCommand; about: readonly string[] },
  ): Promise<'done' | 'erased'> {
    const { tenantId, id: conversationId } = found.stream
    const { messageId, channelId, contactId } = event
    const context = (what: string): CommandContext => ({
      tenantId,
      actor: { kind: 'process', id: 'media' },
      commandId: derivedId('fetch', mediaId, what, ...about),
      correlationId: found.meta.correlationId,
      causationId: found.id,
      at: clock(),
    })
    const announce = { type: 'announce', messageId, conversationId, channelId, contactId, ...event.media, announcedAt: at } as const
    const { outcomes } = await commands.executeAll(media, mediaId, [
      { command: announce, context: context('announce') },
      { command, context: context(command.type) },
    ])
    const refused = outcomes.flatMap((outcome) => ('refused' in outcome ? [outcome.refused] : []))
    for (const why of refused) if (why !== 'media_erased') throw new FetchFailed(why)
    return refused.length === 0 ? 'done' : 'erased'
  }

  async function contentOf(
    tenantId: string,
    { content, contactId }: { content: Secret; contactId: string },
    eventId: string,
  ): Promise<{ text: string } | { erased: true }> {
    try {
      const opened = await vault.open({ tenantId, subject: contactId, eventId, field: 'content' }, sealedText(content))
      return opened
    } catch (error) {
      // Damaged words are no reason to lose the picture.
      if (error instanceof SealBroken) return { text: '' }
      throw error
    }
  }

  async function get(
    tenantId: string,
    event: WithMedia,
    { attempt, signal }: { attempt: number; signal: AbortSignal },
  ): Promise<{ file: Spooled; mimeType?: string | undefined } | Failure> {
    const account = await deps.accountOf(tenantId, event.channelId)
    if (account === undefined) return { failed: 'channel_not_connected' }
    for (let address = 1; ; address++) {
      const description = await deps.mediaApi.describe(account, event.media.providerId, signal)
      if (!('ok' in description)) return failureOf(description)
      if ((description.ok.size ?? 0) > largestFile) return { failed: 'too_large', final: true }
      const download = await deps.mediaApi.download(account, description.ok.url, signal)
      // An address lives five minutes and is gone before that when Meta moves the file: a new one is asked for, once.
      if ('error' in download && download.error.status === 404 && address === 1) continue
      if (!('ok' in download)) return failureOf(download)
      return checked(await taken(download.ok), event, description.ok, attempt)
    }
  }

  async function checked(
    file: Spooled | Failure,
    event: WithMedia,
    description: DescribedMedia,
    attempt: number,
  ): Promise<{ file: Spooled; mimeType?: string | undefined } | Failure> {
    if ('failed' in file) return file
    const wanted = event.media.sha256 ?? description.sha256
    const wrong = wanted !== undefined && !isHash(wanted, file.sha256) ? 'hash_mismatch' : file.size === 0 ? 'empty' : undefined
    if (wrong === undefined) return { file, mimeType: description.mimeType }
    await file.dispose()
    return attempt >= patience ? { failed: wrong, final: true } : { failed: wrong }
  }
}

async function taken(bytes: AsyncIterable<Uint8Array>): Promise<Spooled | Failure> {
  try {
    return await spool(bytes, largestFile)
  } catch (error) {
    return error instanceof FileTooLarge ? { failed: 'too_large', final: true } : { failed: 'download_broke_off' }
  }
}

/** The provider keeps a file for seven days from when it told of it. Of history and its late bodies the message is older, perhaps by months. */
const toldAt = ({ recordedAt }: RecordedEvent, { type }: WithMedia, at: string): number =>
  type === 'MessageReceived' ? Date.parse(at) : recordedAt.getTime()

/** Meta's sha256 is base64 in webhooks; in the description nobody has said, and hex was seen. */
const isHash = (given: string, hex: string): boolean =>
  given.toLowerCase() === hex ||
  given.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/') === Buffer.from(hex, 'hex').toString('base64').replace(/=+$/, '')

const failureOf = (result: Exclude<CallResult<unknown>, { ok: unknown }>): Failure => ({
  failed: 'error' in result ? `provider_${result.error.code === 0 ? result.error.status : result.error.code}` : 'provider_unreachable',
})

async function eventOf(events: Pick<EventStore, 'readStream'>, { tenantId, conversationId, version }: FetchJob): Promise<RecordedEvent | undefined> {
  for await (const event of events.readStream(streamRef('conversation', tenantId, conversationId), { after: version - 1, upTo: version }))
    return event
  return undefined
}

const contentShape = z.record(z.string(), z.object({ filename: z.string().min(1).max(240).optional().catch(undefined) }).catch({}))

function filenameIn(content: string, type: string): string | undefined {
  try {
    return contentShape.parse(JSON.parse(content))[type]?.filename
  } catch {
    return undefined
  }
}
