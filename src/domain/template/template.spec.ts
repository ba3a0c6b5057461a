import { describe, expect, it } from 'vitest'
import type { TemplateDefinition, TemplateEvent } from './events.ts'
import type { HearNews, TemplateNews } from './news.ts'
import { template, templateId, type ListedTemplate, type TemplateCommand } from './template.ts'

const noon = new Date('2026-01-01T12:00:00.500Z')
const later = new Date('2026-01-01T12:05:00.500Z')
const key = { wabaId: '2002', name: 'visit_reminder', language: 'es' }
const definition: TemplateDefinition = {
  category: 'UTILITY',
  parameterFormat: 'positional',
  components: [{ type: 'BODY', text: 'Hola {{1}}', example: { body_text: [['Ana']] } }],
}
const listed: ListedTemplate = { ...key, providerId: '81', status: 'APPROVED', definition, quality: 'UNKNOWN' }

const given = (...events: TemplateEvent[]) => events.reduce(template.evolve, template.initial)
const when = (command: TemplateCommand, ...events: TemplateEvent[]) => template.decide(command, given(...events))
const typesOf = (decision: ReturnType<typeof when>) => ('events' in decision ? decision.events.map(({ type }) => type) : decision)
const hears = (news: TemplateNews, at: string, providerId: string | undefined = '81'): HearNews => ({
  type: 'hear',
  ...key,
  providerId,
  category: 'UTILITY',
  at,
  news,
})

const submitted: TemplateEvent = { type: 'TemplateSubmitted', ...key, definition, at: noon.toISOString() }
const pending: TemplateEvent = { type: 'TemplateStatusChanged', status: 'PENDING', providerId: '81', at: noon.toISOString() }
const approved: TemplateEvent = {
  type: 'TemplateStatusChanged',
  status: 'APPROVED',
  providerId: '81',
  reason: 'NONE',
  at: '2026-01-01T12:01:00.000Z',
}
const synced: TemplateEvent = { type: 'TemplateSynced', ...listed, at: noon.toISOString() }

describe('submitting a template', () => {
  it('records the wish before Meta is asked', () => {
    expect(when({ type: 'submit', ...key, definition, at: noon })).toEqual({ events: [submitted] })
  })
  it('is the same try when it is repeated without an answer in between', () => {
    expect(when({ type: 'submit', ...key, definition, at: later }, submitted)).toEqual({ events: [] })
  })
  it('is done already while there is one with the same words, and refused while there is one with others', () => {
    expect(when({ type: 'submit', ...key, definition, at: later }, submitted, pending)).toEqual({ events: [] })
    const other = { ...definition, components: [{ type: 'BODY', text: 'Otra' }] }
    expect(when({ type: 'submit', ...key, definition: other, at: later }, submitted, pending)).toEqual({ refused: 'template_exists' })
  })
  it('may be tried again after Meta refused it, and after it was deleted', () => {
    const failed: TemplateEvent = { type: 'TemplateSubmissionFailed', error: { code: 'provider_100', title: 'Invalid' } }
    expect(typesOf(when({ type: 'submit', ...key, definition, at: later }, submitted, failed))).toEqual(['TemplateSubmitted'])
    const deleted: TemplateEvent = { type: 'TemplateDeleted', at: noon.toISOString() }
    expect(typesOf(when({ type: 'submit', ...key, definition, at: later }, submitted, pending, deleted))).toEqual(['TemplateSubmitted'])
  })
  it('keeps the status and id that Meta answers with, and the category that Meta chose', () => {
    expect(when({ type: 'recordCreated', providerId: '81', status: 'PENDING', category: 'MARKETING', at: noon }, submitted)).toEqual({
      events: [pending, { type: 'TemplateCategoryChanged', category: 'MARKETING', at: noon.toISOString() }],
    })
  })
  it('does not go back to pending when the review was told before the answer to the call was recorded', () => {
    const state = given(submitted, approved)
    expect(template.decide({ type: 'recordCreated', providerId: '81', status: 'PENDING', at: noon }, state)).toEqual({ events: [] })
  })
})

describe('what Meta lists', () => {
  it('is taken over once', () => {
    expect(when({ type: 'sync', listed, at: noon })).toEqual({ events: [synced] })
    expect(when({ type: 'sync', listed, at: later }, synced)).toEqual({ events: [] })
  })
  it('is not taken over again only because the keys of its JSON stand in another order', () => {
    const turned = { ...definition, components: [{ text: 'Hola {{1}}', example: { body_text: [['Ana']] }, type: 'BODY' }] }
    expect(when({ type: 'sync', listed: { ...listed, definition: turned }, at: later }, synced)).toEqual({ events: [] })
  })
  it('does not undo news that came while Meta was being asked', () => {
    const before = { ...listed, status: 'PENDING' }
    expect(
      given(submitted, pending, approved, ...eventsOf(when({ type: 'sync', listed: before, at: noon }, submitted, pending, approved))).status,
    ).toBe('APPROVED')
  })
  it('settles a submission whose answer never came', () => {
    expect(given(submitted, ...eventsOf(when({ type: 'sync', listed, at: noon }, submitted)))).toMatchObject({
      status: 'APPROVED',
      providerId: '81',
    })
  })
  it('ends what is not on it any more, but not what was submitted or heard of while it was read', () => {
    expect(typesOf(when({ type: 'recordMissing', at: later }, synced))).toEqual(['TemplateDeleted'])
    expect(typesOf(when({ type: 'recordMissing', at: noon }, submitted))).toEqual([])
    expect(typesOf(when({ type: 'recordMissing', at: noon }, synced, approved))).toEqual([])
    const heard: TemplateEvent = { type: 'TemplateHeardOf', ...key, providerId: '81', at: noon.toISOString() }
    expect(typesOf(when({ type: 'recordMissing', at: later }, heard))).toEqual([])
    expect(typesOf(when({ type: 'recordMissing', at: new Date('2026-01-01T13:00:00Z') }, heard))).toEqual(['TemplateDeleted'])
  })
  it('fails a submission that never arrived', () => {
    expect(typesOf(when({ type: 'recordMissing', at: later }, submitted))).toEqual(['TemplateSubmissionFailed'])
  })
})

describe('news of a template', () => {
  it('changes its status, told once or often', () => {
    const news = hears({ kind: 'status', status: 'PAUSED', reason: 'NONE', detail: 'FIRST_PAUSE' }, '2026-01-01T12:02:00.000Z')
    const [paused] = eventsOf(when(news, submitted, pending, approved))
    expect(paused).toMatchObject({ type: 'TemplateStatusChanged', status: 'PAUSED', detail: 'FIRST_PAUSE' })
    expect(when(news, submitted, pending, approved, ...(paused === undefined ? [] : [paused]))).toEqual({ events: [] })
  })
  it('is believed within its second, since Meta counts whole seconds', () => {
    expect(typesOf(when(hears({ kind: 'status', status: 'APPROVED' }, '2026-01-01T12:00:00.000Z'), submitted, pending))).toEqual([
      'TemplateStatusChanged',
    ])
  })
  it('is passed over when something newer is known', () => {
    expect(when(hears({ kind: 'status', status: 'PENDING' }, '2026-01-01T12:00:10.000Z'), submitted, pending, approved)).toEqual({ events: [] })
  })
  it('makes a template known that nobody here ever saw', () => {
    expect(typesOf(when(hears({ kind: 'status', status: 'APPROVED' }, '2026-01-01T12:00:00.000Z')))).toEqual([
      'TemplateHeardOf',
      'TemplateStatusChanged',
    ])
    expect(typesOf(when(hears({ kind: 'quality', quality: 'RED' }, '2026-01-01T12:00:00.000Z')))).toEqual([
      'TemplateHeardOf',
      'TemplateQualityChanged',
    ])
  })
  it('of another id is that of a template made anew, whose words are not those of the former', () => {
    const state = given(submitted, pending, approved)
    const events = eventsOf(template.decide(hears({ kind: 'status', status: 'APPROVED' }, '2026-01-02T12:00:00.000Z', '99'), state))
    const after = events.reduce(template.evolve, state)
    expect(after).toMatchObject({ status: 'APPROVED', providerId: '99' })
    expect(after.definition).toBeUndefined()
  })
  it('of the end of a former one does not end the present one', () => {
    expect(when(hears({ kind: 'status', status: 'DELETED' }, '2026-01-02T12:00:00.000Z', '7'), submitted, pending)).toEqual({ events: [] })
  })
  it('that comes late for a deleted template changes nothing', () => {
    const deleted: TemplateEvent = { type: 'TemplateDeleted', at: '2026-01-02T12:00:00.000Z' }
    expect(when(hears({ kind: 'status', status: 'APPROVED' }, '2026-01-03T12:00:00.000Z'), submitted, pending, deleted)).toEqual({ events: [] })
  })
  it('of a category is an announcement with a date, and a fact without one', () => {
    const from = '2026-02-01T00:00:00.000Z'
    const told = given(synced, ...eventsOf(when(hears({ kind: 'category', category: 'MARKETING', from }, '2026-01-01T12:01:00.000Z'), synced)))
    expect(told).toMatchObject({ upcoming: { category: 'MARKETING', from }, definition: { category: 'UTILITY' } })
    const done = eventsOf(template.decide(hears({ kind: 'category', category: 'MARKETING' }, from), told)).reduce(template.evolve, told)
    expect(done.definition?.category).toBe('MARKETING')
    expect(done.upcoming).toBeUndefined()
  })
  it('of new words puts them in their places and leaves the rest', () => {
    const events = eventsOf(when(hears({ kind: 'components', texts: { body: 'Buenas {{1}}' } }, '2026-01-01T12:01:00.000Z'), synced))
    expect(given(synced, ...events).definition?.components).toEqual([{ type: 'BODY', text: 'Buenas {{1}}', example: { body_text: [['Ana']] } }])
  })
})

describe('editing a template', () => {
  const edited = { ...definition, components: [{ type: 'BODY', text: 'Hasta luego' }] }
  it('puts it back into review with its new words', () => {
    expect(given(synced, ...eventsOf(when({ type: 'recordEdited', definition: edited, at: later }, synced)))).toMatchObject({
      status: 'PENDING',
      definition: edited,
      edits: [later.toISOString()],
    })
  })
  it('does not undo a review that was told before the edit was recorded', () => {
    const events = eventsOf(when({ type: 'recordEdited', definition: edited, at: noon }, synced, approved))
    expect(events).toMatchObject([{ type: 'TemplateEdited', status: 'APPROVED' }])
  })
})

describe('the id of a template', () => {
  it('is another one for every tenant, account, name and language', () => {
    const ids = [
      templateId('ana', key),
      templateId('bea', key),
      templateId('ana', { ...key, wabaId: '1' }),
      templateId('ana', { ...key, language: 'en' }),
      templateId('ana', { ...key, name: 'x' }),
    ]
    expect(new Set(ids).size).toBe(5)
  })
})

function eventsOf(decision: ReturnType<typeof when>): readonly TemplateEvent[] {
  if ('refused' in decision) throw new Error(decision.refused)
  return decision.events
}
