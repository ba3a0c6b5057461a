import type { EventType } from '../../domain/catalogue.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// The message templates of a tenant's accounts, as Meta has them or as they were asked for. One row per (account, name, language).
// `components` is null while Meta has told of a template and not of its words; a deleted template has no row.
// What may not change a row any more (late news) was sorted out when it was decided: here every event counts.

export type TemplateRow = {
  readonly id: string
  readonly wabaId: string
  readonly name: string
  readonly language: string
  readonly status: string
  readonly category: string | null
  readonly parameterFormat: string
  readonly components: string | null
  readonly messageSendTtlSeconds: number | null
  readonly providerId: string | null
  readonly quality: string | null
  readonly reason: string | null
  readonly detail: string | null
  readonly upcomingCategory: string | null
  readonly upcomingFrom: Date | null
  readonly error: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = [
  'TemplateSubmitted',
  'TemplateHeardOf',
  'TemplateSynced',
  'TemplateStatusChanged',
  'TemplateSubmissionFailed',
  'TemplateEdited',
  'TemplateQualityChanged',
  'TemplateCategoryChanged',
  'TemplateDeleted',
] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>
type Naming = EventsOf<'TemplateSubmitted' | 'TemplateHeardOf' | 'TemplateSynced'>

export const templates: Projection<TemplateRow, Handled> = {
  name: 'templates',
  version: 1,
  handles,
  table: {
    columns: {
      id: 'text',
      wabaId: 'text',
      name: 'text',
      language: 'text',
      status: 'text',
      category: 'text',
      parameterFormat: 'text',
      components: 'json',
      messageSendTtlSeconds: 'int4',
      providerId: 'text',
      quality: 'text',
      reason: 'text',
      detail: 'text',
      upcomingCategory: 'text',
      upcomingFrom: 'timestamptz',
      error: 'json',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [
      { name: 'by_name', on: 'name, id' },
      { name: 'by_account', on: 'waba_id, name' },
      { name: 'unsettled', on: 'updated_at', where: "components is null or status = 'SUBMITTING'", acrossTenants: true },
    ],
  },
  home: 'template',
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    if (event.type === 'TemplateDeleted') return 'delete'
    if (event.type === 'TemplateSubmitted' || event.type === 'TemplateHeardOf') return { ...named(event, at), ...change(event) }
    if (event.type === 'TemplateSynced') return { ...(row ?? named(event, at)), ...change(event), updatedAt: at.recordedAt, version: at.version }
    if (row === undefined) return undefined
    return { ...row, ...change(event, row), updatedAt: at.recordedAt, version: at.version }
  },
}

/** A template that begins here, also one that is submitted anew: nothing of a former one remains. */
const named = ({ wabaId, name, language }: Naming, at: RecordedEvent): TemplateRow => ({
  id: at.stream.id,
  wabaId,
  name,
  language,
  status: 'UNKNOWN',
  category: null,
  parameterFormat: 'positional',
  components: null,
  messageSendTtlSeconds: null,
  providerId: null,
  quality: null,
  reason: null,
  detail: null,
  upcomingCategory: null,
  upcomingFrom: null,
  error: null,
  createdAt: at.recordedAt,
  updatedAt: at.recordedAt,
  version: at.version,
})

const words = ({ category, parameterFormat, components, messageSendTtlSeconds }: TemplateDefinition): Partial<TemplateRow> => ({
  category,
  parameterFormat,
  components: JSON.stringify(components),
  messageSendTtlSeconds: messageSendTtlSeconds ?? null,
})

const noMoreUpcoming = { upcomingCategory: null, upcomingFrom: null }

function change(event: Exclude<Handled, EventsOf<'TemplateDeleted'>>, row?: TemplateRow): Partial<TemplateRow> {
  switch (event.type) {
    case 'TemplateSubmitted':
      return { status: 'SUBMITTING', ...words(event.definition) }
    case 'TemplateHeardOf':
      return { category: event.category ?? null, providerId: event.providerId ?? null }
    case 'TemplateSynced': {
      const { status, providerId, definition, quality, rejectedReason } = event
      return {
        status,
        providerId,
        ...words(definition),
        ...(quality === undefined ? {} : { quality }),
        reason: rejectedReason ?? null,
        error: null,
      }
    }
    case 'TemplateStatusChanged': {
      const { status, providerId, reason, detail } = event
      return { status, ...(providerId === undefined ? {} : { providerId }), reason: reason ?? null, detail: detail ?? null, error: null }
    }
    case 'TemplateSubmissionFailed':
      return { status: 'FAILED', error: JSON.stringify(event.error) }
    case 'TemplateEdited':
      return { status: event.status, ...words(event.definition), ...(row?.status === event.status ? {} : { reason: null, detail: null }) }
    case 'TemplateQualityChanged':
      return { quality: event.quality }
    case 'TemplateCategoryChanged': {
      const { category, from } = event
      return from === undefined ? { category, ...noMoreUpcoming } : { upcomingCategory: category, upcomingFrom: new Date(from) }
    }
    default:
      return event satisfies never
  }
}
