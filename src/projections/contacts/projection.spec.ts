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
      profileName: 'bmFtZQ==',
      profileNameEventId: log[0]?.id,
      username: null,
      usernameEventId: null,
      listed: false,
      consents: '{}',
      duplicates: '[]',
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
  it('are called as in the address book of the phone, and as they call themselves once they are taken out of it', () => {
    const at = (hour: number) => `2026-01-01T1${hour}:00:00.000Z`
    const listed: ContactEvent = { type: 'ContactListed', name: { sealed: 'bGlzdGVk' }, nameIndex: 'k', at: at(1) }
    const unlisted: ContactEvent = { type: 'ContactUnlisted', at: at(2) }
    const after = (...events: ContactEvent[]) =>
      rowsAfter(
        contacts,
        [created, ...events].map((event) => [stream, event]),
      )
    expect(after(listed)).toMatchObject([{ name: 'bGlzdGVk', profileName: 'bmFtZQ==', listed: true }])
    expect(after(listed, renamed)).toMatchObject([{ name: 'bGlzdGVk', profileName: 'bmV3' }])
    expect(after(listed, renamed, unlisted)).toMatchObject([{ name: 'bmV3', listed: false }])
    expect(after({ type: 'ContactListed', at: at(1) }, renamed)).toMatchObject([{ name: 'bmV3', listed: true }])
  })
  it('have the identity that counts first, and keep the one that it replaced', () => {
    const replaced: ContactEvent = {
      type: 'ContactIdentityReplaced',
      kind: 'wa_id',
      formerIndex: 'index-1',
      index: 'index-2',
      value: { sealed: 'bmV1' },
      at: '2026-01-02T12:00:00.000Z',
    }
    const [row] = rowsAfter(
      contacts,
      [created, phone, replaced].map((event) => [stream, event]),
    )
    expect(JSON.parse(row?.identities ?? '')).toMatchObject([
      { index: 'index-2', sealed: 'bmV1' },
      { index: 'index-1', until: '2026-01-02T12:00:00.000Z' },
    ])
  })
  it('say what they wish to be sent, and who may be the same person', () => {
    const consent: ContactEvent = {
      type: 'ContactConsentChanged',
      purpose: 'marketing',
      granted: false,
      source: 'whatsapp',
      at: '2026-01-02T12:00:00.000Z',
    }
    const suspected: ContactEvent = { type: 'ContactDuplicateSuspected', contactId: 'contact-2', at: '2026-01-02T12:00:00.000Z' }
    const [row] = rowsAfter(
      contacts,
      [created, consent, suspected].map((event) => [stream, event]),
    )
    expect(JSON.parse(row?.consents ?? '')).toEqual({ marketing: { granted: false, at: '2026-01-02T12:00:00.000Z', source: 'whatsapp' } })
    expect(JSON.parse(row?.duplicates ?? '')).toEqual(['contact-2'])
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
