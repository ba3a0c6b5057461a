import type { TemplateDefinition, TemplateEvent } from './events.ts'

/**
 * NONE → SUBMITTING → PENDING → APPROVED ⇄ PAUSED …, or SUBMITTING → FAILED; whatever Meta says moves it; DELETED may be submitted anew.
 * Only APPROVED can be sent. `definition` is missing while Meta has told of the template and not of its words.
 */
export type Template = {
  readonly status: string
  readonly wabaId: string
  readonly name: string
  readonly language: string
  readonly providerId?: string
  readonly definition?: TemplateDefinition
  readonly quality?: string
  readonly reason?: string
  readonly upcoming?: { readonly category: string; readonly from: string }
  /** Up to when the status is known: what was said before does not change it. */
  readonly statusAt: string
  /** The category has a clock of its own: its news and the status's overtake each other. */
  readonly categoryAt: string
  readonly qualityAt: string
  /** When Meta took edits of it while it was approved, the latest ones: Meta counts them. */
  readonly edits: readonly string[]
}

export const initial: Template = { status: 'NONE', wabaId: '', name: '', language: '', statusAt: '', categoryAt: '', qualityAt: '', edits: [] }

/** Meta allows ten edits of an approved template in thirty days; more need not be remembered. */
const editsKept = 10

export function evolve(state: Template, event: TemplateEvent): Template {
  switch (event.type) {
    case 'TemplateSubmitted': {
      const { wabaId, name, language, definition, at } = event
      return { ...initial, status: 'SUBMITTING', wabaId, name, language, definition, statusAt: at, edits: state.edits }
    }
    case 'TemplateHeardOf': {
      const { wabaId, name, language, providerId, at } = event
      return { ...initial, status: 'UNKNOWN', wabaId, name, language, statusAt: at, ...(providerId === undefined ? {} : { providerId }) }
    }
    case 'TemplateSynced': {
      const { wabaId, name, language, providerId, status, definition, quality, rejectedReason, at } = event
      const { reason: _reason, upcoming, ...rest } = state
      return {
        ...rest,
        ...(upcoming === undefined || upcoming.category === definition.category ? {} : { upcoming }),
        wabaId,
        name,
        language,
        providerId,
        status,
        definition,
        ...(quality === undefined ? {} : { quality }),
        ...(rejectedReason === undefined ? {} : { reason: rejectedReason }),
        statusAt: later(state.statusAt, at),
        categoryAt: later(state.categoryAt, at),
        qualityAt: later(state.qualityAt, at),
      }
    }
    case 'TemplateStatusChanged': {
      const { status, providerId, reason, at } = event
      const { reason: _reason, ...rest } = state
      return {
        ...rest,
        status,
        ...(providerId === undefined ? {} : { providerId }),
        ...(reason === undefined ? {} : { reason }),
        statusAt: later(state.statusAt, endOf(at)),
      }
    }
    case 'TemplateSubmissionFailed':
      return { ...state, status: 'FAILED' }
    case 'TemplateEdited': {
      const edits = state.status === 'APPROVED' ? [...state.edits, event.at].slice(-editsKept) : state.edits
      return { ...state, definition: event.definition, status: event.status, statusAt: later(state.statusAt, event.at), edits }
    }
    case 'TemplateQualityChanged':
      return { ...state, quality: event.quality, qualityAt: later(state.qualityAt, endOf(event.at)) }
    case 'TemplateCategoryChanged':
      return categoryChanged(state, event)
    case 'TemplateDeleted':
      return { ...state, status: 'DELETED', statusAt: later(state.statusAt, event.at) }
    default:
      return event satisfies never
  }
}

function categoryChanged(state: Template, { category, from, at }: Extract<TemplateEvent, { type: 'TemplateCategoryChanged' }>): Template {
  const categoryAt = later(state.categoryAt, endOf(at))
  if (from !== undefined) return { ...state, upcoming: { category, from }, categoryAt }
  const { upcoming: _done, definition, ...rest } = state
  return { ...rest, ...(definition === undefined ? {} : { definition: { ...definition, category } }), categoryAt }
}

/** RFC 3339 in UTC with milliseconds sorts as text. */
const later = (a: string, b: string): string => (a > b ? a : b)

/** Meta's webhooks count whole seconds: such a moment may be anywhere in its second, and what was said within it is believed. */
export const endOf = (at: string): string => at.replace(/\.000Z$/, '.999Z').replace(/:(\d\d)Z$/, ':$1.999Z')
