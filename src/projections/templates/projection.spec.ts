import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import type { TemplateDefinition, TemplateEvent } from '../../domain/template/events.ts'
import { templates, type TemplateRow } from './projection.ts'

const stream = streamRef('template', '0197c0de-0000-7000-8000-000000000001', 'template-1')
const at = '2026-01-01T12:00:00.000Z'
const key = { wabaId: '2002', name: 'offer', language: 'es' }
const definition: TemplateDefinition = { category: 'UTILITY', parameterFormat: 'named', components: [{ type: 'BODY', text: 'Hola' }] }
const submitted: TemplateEvent = { type: 'TemplateSubmitted', ...key, definition, at }
const changed = (status: string, more: { reason?: string; detail?: string } = {}): TemplateEvent => ({
  type: 'TemplateStatusChanged',
  status,
  providerId: '81',
  at,
  ...more,
})
const after = (...events: TemplateEvent[]): TemplateRow[] =>
  rowsAfter(
    templates,
    events.map((event) => [stream, event]),
  )

describe('the templates', () => {
  it('show one that was submitted with its words, then as Meta says', () => {
    expect(after(submitted)).toMatchObject([
      { ...key, status: 'SUBMITTING', category: 'UTILITY', components: '[{"type":"BODY","text":"Hola"}]', version: 1 },
    ])
    expect(after(submitted, changed('PENDING'), changed('APPROVED'))).toMatchObject([{ status: 'APPROVED', providerId: '81', version: 3 }])
  })
  it('show why one was rejected, until it is approved', () => {
    expect(after(submitted, changed('REJECTED', { reason: 'INVALID_FORMAT', detail: 'Add words' }))).toMatchObject([
      { reason: 'INVALID_FORMAT', detail: 'Add words' },
    ])
    expect(after(submitted, changed('REJECTED', { reason: 'INVALID_FORMAT' }), changed('APPROVED'))).toMatchObject([{ reason: null, detail: null }])
  })
  it('show one that Meta only told of without words, until they are read', () => {
    const heard: TemplateEvent = { type: 'TemplateHeardOf', ...key, providerId: '81', category: 'MARKETING', at }
    expect(after(heard, changed('APPROVED'))).toMatchObject([{ status: 'APPROVED', category: 'MARKETING', components: null }])
    const synced: TemplateEvent = { type: 'TemplateSynced', ...key, providerId: '81', status: 'APPROVED', definition, quality: 'GREEN', at }
    expect(after(heard, changed('APPROVED'), synced)).toMatchObject([{ category: 'UTILITY', quality: 'GREEN', parameterFormat: 'named' }])
  })
  it('show why Meta did not take one, and forget it when it is submitted anew', () => {
    const failed: TemplateEvent = { type: 'TemplateSubmissionFailed', error: { code: 'provider_100', title: 'No' } }
    expect(after(submitted, failed)).toMatchObject([{ status: 'FAILED', error: '{"code":"provider_100","title":"No"}' }])
    expect(after(submitted, failed, submitted)).toMatchObject([{ status: 'SUBMITTING', error: null }])
  })
  it('show a change of category as coming, then as done', () => {
    const coming: TemplateEvent = { type: 'TemplateCategoryChanged', category: 'MARKETING', from: '2026-02-01T00:00:00.000Z', at }
    const done: TemplateEvent = { type: 'TemplateCategoryChanged', category: 'MARKETING', at }
    expect(after(submitted, coming)).toMatchObject([{ category: 'UTILITY', upcomingCategory: 'MARKETING', upcomingFrom: new Date('2026-02-01') }])
    expect(after(submitted, coming, done)).toMatchObject([{ category: 'MARKETING', upcomingCategory: null, upcomingFrom: null }])
  })
  it('follow edits and quality, and do not show what is deleted', () => {
    const edited: TemplateEvent = {
      type: 'TemplateEdited',
      definition: { ...definition, components: [{ type: 'BODY', text: 'Adiós' }] },
      status: 'PENDING',
      at,
    }
    const red: TemplateEvent = { type: 'TemplateQualityChanged', quality: 'RED', at }
    expect(after(submitted, changed('APPROVED'), edited, red)).toMatchObject([
      { status: 'PENDING', quality: 'RED', components: '[{"type":"BODY","text":"Adiós"}]' },
    ])
    expect(after(submitted, { type: 'TemplateDeleted', at })).toEqual([])
  })
})
