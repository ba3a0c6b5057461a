import type { EventType } from '../../domain/catalogue.ts'
import type { IdentityKind } from '../../domain/contact/events.ts'
import { sealedText } from '../../domain/kernel/secret.ts'
import type { EventsOf, Projection } from '../engine/projection.ts'

// People who write to a tenant. A stream that only points at a contact elsewhere (`ContactAliased`) has no row.
// Names and identities are copied sealed; the blind index of an identity tells two contacts apart without opening anything.

/** Sealed for (contact id, eventId, `value`). */
export type SealedIdentity = { readonly kind: IdentityKind; readonly index: string; readonly sealed: string; readonly eventId: string }

export type ContactRow = {
  readonly id: string
  /** Sealed for (id, nameEventId, `name`). */
  readonly name: string | null
  readonly nameEventId: string | null
  readonly identities: string
  readonly source: string
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly version: number
}

const handles = ['ContactCreated', 'ContactIdentityAdded', 'ContactRenamed'] as const satisfies readonly EventType[]
type Handled = EventsOf<(typeof handles)[number]>

export const contacts: Projection<ContactRow, Handled> = {
  name: 'contacts',
  version: 1,
  handles,
  creates: ['ContactCreated'],
  table: {
    columns: {
      id: 'text',
      name: 'text',
      nameEventId: 'uuid',
      identities: 'json',
      source: 'text',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      version: 'int4',
    },
    indexes: [{ name: 'by_creation', on: 'created_at, id' }],
  },
  key: (_event, at) => at.stream.id,
  fold(row, event, at) {
    const moved = { updatedAt: at.recordedAt, version: at.version }
    if (event.type === 'ContactCreated') {
      const { name, source } = event
      const named = name === undefined ? { name: null, nameEventId: null } : { name: sealedText(name), nameEventId: at.id }
      return { id: at.stream.id, ...named, identities: '[]', source, createdAt: at.recordedAt, ...moved }
    }
    if (row === undefined) return undefined
    switch (event.type) {
      case 'ContactRenamed':
        return { ...row, name: sealedText(event.name), nameEventId: at.id, ...moved }
      case 'ContactIdentityAdded': {
        const { kind, index, value } = event
        const added: SealedIdentity = { kind, index, sealed: sealedText(value), eventId: at.id }
        const known = JSON.parse(row.identities) as SealedIdentity[]
        return { ...row, identities: JSON.stringify([...known, added]), ...moved }
      }
      default:
        return event satisfies never
    }
  },
}
