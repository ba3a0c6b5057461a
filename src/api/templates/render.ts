import type { z } from 'zod'
import type { ChannelEntry } from '../../commands/directory/directory.ts'
import type { TemplateDone } from '../../commands/templates/refusals.ts'
import type { Preview, PreviewButton, PreviewCard } from '../../domain/template/preview.ts'
import type { TemplateView } from '../../projections/templates/queries.ts'
import type { previewSchema, templateSchema } from './schema.ts'

export type TemplateBody = z.infer<typeof templateSchema>

export function renderTemplate(row: TemplateView, channels: readonly ChannelEntry[]): TemplateBody {
  const { upcomingCategory, upcomingFrom, error } = row
  return {
    id: row.id,
    waba_id: row.wabaId,
    channel_ids: channels.filter(({ wabaId }) => wabaId === row.wabaId).map(({ channelId }) => channelId),
    name: row.name,
    language: row.language,
    status: row.status,
    category: row.category,
    parameter_format: row.parameterFormat === 'named' ? 'named' : 'positional',
    components: row.components as TemplateBody['components'],
    ...(row.messageSendTtlSeconds === null ? {} : { message_send_ttl_seconds: row.messageSendTtlSeconds }),
    ...(row.providerId === null ? {} : { provider_id: row.providerId }),
    ...(row.quality === null ? {} : { quality: row.quality }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.detail === null ? {} : { detail: row.detail }),
    ...(upcomingCategory === null || upcomingFrom === null
      ? {}
      : { upcoming_category: { category: upcomingCategory, from: upcomingFrom.toISOString() } }),
    ...(error === null ? {} : { error }),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    version: row.version,
  }
}

/** For the answer to a command when the read model is late: what the command left behind, at the moment it was given. */
export function rowOfDecided({ templateId, template, version }: TemplateDone, at: Date): TemplateView {
  const { wabaId, name, language, status, definition, providerId, quality, reason, upcoming } = template
  return {
    id: templateId,
    wabaId,
    name,
    language,
    status,
    category: definition?.category ?? null,
    parameterFormat: definition?.parameterFormat ?? 'positional',
    components: definition?.components ?? null,
    messageSendTtlSeconds: definition?.messageSendTtlSeconds ?? null,
    providerId: providerId ?? null,
    quality: quality ?? null,
    reason: reason ?? null,
    detail: null,
    upcomingCategory: upcoming?.category ?? null,
    upcomingFrom: upcoming === undefined ? null : new Date(upcoming.from),
    error: null,
    createdAt: at,
    updatedAt: at,
    version,
  }
}

type PreviewBody = Omit<z.infer<typeof previewSchema>, 'sendable' | 'mistakes'>

export const renderPreview = ({ footer, cards, ...part }: Preview): PreviewBody => ({
  ...renderCard(part),
  ...(footer === undefined ? {} : { footer }),
  ...(cards === undefined ? {} : { cards: cards.map(renderCard) }),
})

const renderCard = ({ header, body, buttons }: PreviewCard): PreviewBody => ({
  ...(header === undefined ? {} : { header }),
  ...(body === undefined ? {} : { body }),
  buttons: buttons.map(renderButton),
})

const renderButton = ({ phoneNumber, ...button }: PreviewButton): PreviewBody['buttons'][number] => ({
  ...button,
  ...(phoneNumber === undefined ? {} : { phone_number: phoneNumber }),
})
