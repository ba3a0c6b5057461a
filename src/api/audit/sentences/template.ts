import type { TemplateEvent } from '../../../domain/template/events.ts'
import { because, type Voice } from './voice.ts'

/** What happened to a message template. */
export function templateSentence(event: TemplateEvent, { by, thing }: Voice): string {
  switch (event.type) {
    case 'TemplateSubmitted':
      return `${by} submitted ${thing} for review`
    case 'TemplateHeardOf':
      return `The provider told of ${thing}`
    case 'TemplateSynced':
      return `${thing} was read from the provider: ${event.status}`
    case 'TemplateStatusChanged':
      return `${thing} became ${event.status}${because(event.reason)}`
    case 'TemplateSubmissionFailed':
      return `The provider did not take ${thing}: ${event.error.title}`
    case 'TemplateEdited':
      return `${by} edited ${thing}: ${event.status}`
    case 'TemplateQualityChanged':
      return `The quality of ${thing} became ${event.quality}`
    case 'TemplateCategoryChanged':
      return event.from === undefined
        ? `The category of ${thing} became ${event.category}`
        : `The category of ${thing} will be ${event.category} from ${event.from}`
    case 'TemplateDeleted':
      return `${by} deleted ${thing}`
    default:
      return event satisfies never
  }
}
