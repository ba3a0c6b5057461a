import type { AccountEvent } from '../../../domain/account/events.ts'
import type { AlertEvent } from '../../../domain/alert/events.ts'
import type { AccessKind, AuditEvent } from '../../../domain/audit/events.ts'
import type { DeliveryEvent } from '../../../domain/delivery/events.ts'
import type { MediaEvent } from '../../../domain/media/events.ts'
import { because, quoted, type Voice } from './voice.ts'

export function deliverySentence(event: DeliveryEvent, { by }: Voice): string {
  switch (event.type) {
    case 'WebhookReceived':
      return `The provider delivered a webhook (${event.bytes} bytes)`
    case 'DeliveryParked':
      return `A delivery waits: ${event.detail}`
    case 'DeliveryItemFailed':
      return `A part of a delivery could not be applied (${event.path})`
    case 'DeliveryRouted':
      return 'A waiting delivery was handed to the organisation that connected the number'
    case 'DeliveryReplayed':
      return `${by} replayed a delivery: ${event.items} parts, ${event.failed} failed`
    default:
      return event satisfies never
  }
}

export function alertSentence(event: AlertEvent, { by, thing }: Voice): string {
  switch (event.type) {
    case 'AlertRaised':
      return `An alert was raised (${event.severity}): ${event.title}`
    case 'AlertResolved':
      return `${by} resolved ${thing}${because(event.reason)}`
    default:
      return event satisfies never
  }
}

export const accountSentence = (event: AccountEvent, _voice: Voice): string =>
  `The provider told of the business account: ${event.field}${event.event === undefined ? '' : ` ${event.event}`}`

export function mediaSentence(event: MediaEvent, { by }: Voice): string {
  switch (event.type) {
    case 'MediaAnnounced':
      return `A file has to be fetched from the provider (${event.kind})`
    case 'MediaStored':
      return `${by} stored a file (${event.mimeType}, ${event.size} bytes)`
    case 'MediaFetchFailed':
      return `A file could not be fetched${event.final ? '' : ' yet'}: ${event.reason}`
    case 'MediaExpired':
      return 'The provider no longer has a file'
    case 'MediaHandedToProvider':
      return 'The provider was given a copy of a file'
    case 'MediaForgottenByProvider':
      return 'The provider no longer knows its copy of a file'
    case 'MediaErased':
      return `${by} erased a file`
    default:
      return event satisfies never
  }
}

const did: Readonly<Record<AccessKind, string>> = {
  delivery_read: 'read the raw body of a delivery',
  events_revealed: 'read the log with its sealed fields opened',
  events_exported: 'exported events',
  audit_exported: 'exported the audit trail',
  subject_exported: "exported a person's data",
  operator_entered: 'looked into the organisation',
  deliveries_replayed: 'replayed deliveries',
  process_redriven: 'ran a process again over the log',
  projection_rebuilt: 'rebuilt a read model',
  projection_aborted: 'aborted the rebuild of a read model',
  projection_run: 'ran a projection of their own over the log',
}

export function auditSentence({ what, request, entity, filter }: AuditEvent, { by }: Voice): string {
  const about = entity === undefined ? '' : ` (${entity.type} ${entity.id})`
  const asked = Object.entries(filter ?? {}).map(([name, value]) => `${name} ${quoted(value)}`)
  return `${by} ${did[what]}${about}${asked.length === 0 ? '' : `, ${asked.join(', ')}`} by ${request}`
}
