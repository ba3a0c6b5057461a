import { describe, expect, it } from 'vitest'
import { recordedAt, recordedLog } from '../../../tests/support/recorded.ts'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { ContactEvent } from '../../domain/contact/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { contacts } from './projection.ts'

const stream = streamRef('contact', '0197c0de-0000-7000-8000-000000000001', 'contact-1')
const created: ContactEvent = { type: 'ContactCreated', source: 'whatsapp', name: { sealed: 'bmFtZQ==' }, nameIndex: 'i' }
const phone: ContactEvent = { type: 'ContactIdentityAdded', kind: 'wa_id', index: 'index-1', value: { sealed: 'cGhvbmU=' } }
const renamed: ContactEvent = { type: 'ContactRenamed', name: { sealed: 'bmV3' }, nameIndex: 'j' }

describe('the contacts', () => {
  it('keep the ciphertext of name and identities together with the events that they were sealed for', () => {
    const log = recordedLog([created, phone].map((event) => [stream, event]))
    const [row] = rowsAfter(
      contacts,
      [created, phone].map((event) => [stream, event]),
    )
    expect(row).toEqual({
      id: 'contact-1',
      name: 'bmFtZQ==',
      nameEventId: log[0]?.id,
      identities: JSON.stringify([{ kind: 'wa_id', index: 'index-1', sealed: 'cGhvbmU=', eventId: log[1]?.id }]),
      source: 'whatsapp',
      createdAt: recordedAt(1),
      updatedAt: recordedAt(2),
      version: 2,
    })
  })
  it('take a new name with the event that it was sealed for', () => {
    const log = recordedLog([created, renamed].map((event) => [stream, event]))
    expect(
      rowsAfter(
        contacts,
        [created, renamed].map((event) => [stream, event]),
      ),
    ).toMatchObject([{ name: 'bmV3', nameEventId: log[1]?.id }])
  })
  it('are not found under a stream that only points at a contact elsewhere', () => {
    expect(
      rowsAfter(contacts, [
        [
          { ...stream, id: 'alias' },
          { type: 'ContactAliased', contactId: 'contact-1' },
        ],
      ]),
    ).toEqual([])
  })
})
