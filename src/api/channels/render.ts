import type { z } from 'zod'
import type { ChannelEntry } from '../../commands/directory/directory.ts'
import type { ChannelDone } from '../../commands/channels/on-channel.ts'
import { outgoingTypes } from '../../domain/conversation/outgoing.ts'
import type { ChannelView } from '../../projections/channels/queries.ts'
import type { channelSchema } from './schema.ts'

export type ChannelBody = z.infer<typeof channelSchema>

/** `+1 555-010-0000`, as Meta writes it, to E.164. */
const e164 = (displayed: string | null): string | null => (displayed === null ? null : `+${displayed.replaceAll(/\D/g, '')}`)

const webhookPath = (hook: string | undefined): string => (hook === undefined ? '/webhooks/meta' : `/webhooks/meta/${hook}`)

export function renderChannel(row: ChannelView, entry: ChannelEntry | undefined): ChannelBody {
  return {
    id: row.id,
    kind: row.kind as ChannelBody['kind'],
    name: row.name,
    status: row.status as ChannelBody['status'],
    phone: e164(row.phone),
    phone_number_id: row.phoneNumberId,
    waba_id: row.wabaId,
    ...(row.verifiedName === null ? {} : { verified_name: row.verifiedName }),
    ...(row.qualityRating === null ? {} : { quality_rating: row.qualityRating }),
    ...(row.throughput === null ? {} : { throughput: row.throughput }),
    ...(row.messagingLimit === null ? {} : { messaging_limit: row.messagingLimit }),
    ...numberOf(row.number),
    capabilities: [...outgoingTypes],
    ...(row.lastError === null ? {} : { last_error: row.lastError }),
    webhook_path: webhookPath(entry?.hook),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    version: row.version,
  }
}

function numberOf(facts: ChannelView['number']): Pick<ChannelBody, 'number'> {
  const {
    numberStatus,
    nameStatus,
    newNameStatus,
    platformType,
    codeVerification,
    accountMode,
    onBusinessApp,
    officialAccount,
    pinEnabled,
    username,
  } = facts
  const said = {
    status: numberStatus,
    name_status: nameStatus,
    new_name_status: newNameStatus,
    platform_type: platformType,
    code_verification_status: codeVerification,
    account_mode: accountMode,
    on_business_app: onBusinessApp,
    official_account: officialAccount,
    pin_enabled: pinEnabled,
    username: username === '' ? undefined : username,
  }
  const known = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
  return Object.keys(known).length === 0 ? {} : { number: known }
}

/** For the answer to a command when the read model is late: what the command left behind, at the moment it was given. */
export function rowOfDecided({ channelId, channel, version }: ChannelDone, at: Date): ChannelView {
  const { name, phoneNumberId, wabaId, facts, error, status } = channel
  return {
    id: channelId,
    kind: 'business',
    name,
    status: status === 'connected' || status === 'degraded' || status === 'disconnected' ? status : 'pending',
    phone: facts.displayPhone ?? null,
    phoneNumberId,
    wabaId,
    verifiedName: facts.verifiedName ?? null,
    qualityRating: facts.qualityRating ?? null,
    throughput: facts.throughput ?? null,
    messagingLimit: facts.messagingLimit ?? null,
    number: facts,
    lastError: error === undefined ? null : { ...error, at: at.toISOString() },
    createdAt: at,
    updatedAt: at,
    version,
  }
}
