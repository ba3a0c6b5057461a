import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { recordedLog } from '../../../../tests/support/recorded.ts'
import { eventsOf, type DomainEvent } from '../../../domain/catalogue.ts'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import { streamRef, type Category } from '../../../domain/kernel/stream.ts'
import { actions } from '../../../projections/audit/actions.ts'
import { changesOf } from '../changes.ts'
import { sentence } from './sentence.ts'
import { actorName, type Voice } from './voice.ts'

type Schema = { readonly [key: string]: unknown }
const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)
const secretWords = 'words of a customer'

/** A value that a schema allows, with every optional field present. Secrets hold words that no sentence may repeat. */
function sample(schema: unknown): unknown {
  if (!isSchema(schema)) return 'x'
  if ('const' in schema) return schema['const']
  if (Array.isArray(schema['enum'])) return schema['enum'][0] as unknown
  const options: unknown = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(options)) return sample(options[0])
  const properties = schema['properties']
  if (isSchema(properties)) {
    if ('sealed' in properties) return { sealed: secretWords }
    return Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, sample(inner)]))
  }
  switch (schema['type']) {
    case 'array':
      return [sample(schema['items'])]
    case 'object':
      return { field: 'value' }
    case 'number':
    case 'integer':
      return 1
    case 'boolean':
      return true
    default:
      return schema['format'] === 'date-time' ? '2026-01-01T12:00:00.000Z' : 'some text'
  }
}

const tenantId = '0197c0de-0000-7000-8000-000000000001'
const samples: readonly RecordedEvent[] = Object.entries(eventsOf).flatMap(([category, union]) =>
  union.options.flatMap((option) => {
    const event = sample(z.toJSONSchema(option, { io: 'input', unrepresentable: 'any' })) as DomainEvent
    return recordedLog([[streamRef(category as Category, tenantId, 'some-stream'), event]])
  }),
)
const voice: Voice = { by: 'the API key "Desk"', customer: 'Ana', thing: 'the channel "Ventas"' }

describe('the audit trail', () => {
  it('has a sentence for every event of the catalogue, which repeats nothing that is sealed', () => {
    expect(new Set(samples.map(({ type }) => type))).toEqual(new Set(Object.keys(actions)))
    for (const recorded of samples) {
      const said = sentence(recorded, voice)
      expect(said, recorded.type).toMatch(/^[A-Z"].{8,}$/)
      expect(said, recorded.type).not.toMatch(/undefined|null|\[object|sealed":/)
      expect(said, recorded.type).not.toContain(secretWords)
      expect(JSON.stringify(changesOf(recorded) ?? {}), recorded.type).not.toContain(secretWords)
    }
  })

  it('calls every action of ours by one stable name', () => {
    const names = Object.values(actions).map(({ action }) => action)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !/^[a-z_]+\.[a-z_]+$/.test(name))).toEqual([])
  })

  it('says who did what to whom', () => {
    const [snoozed] = recordedLog([
      [streamRef('conversation', tenantId, 'c'), { type: 'ConversationSnoozed', until: '2026-01-02T09:00:00.000Z' }],
    ]) as [RecordedEvent]
    expect(sentence(snoozed, voice)).toBe('The API key "Desk" snoozed the conversation with Ana until 2026-01-02T09:00:00.000Z')
    expect(changesOf(snoozed)).toEqual({ status: { after: 'snoozed' }, snoozed_until: { after: '2026-01-02T09:00:00.000Z' } })
  })

  it('names people by their names, and everybody else by what they are', () => {
    expect(actorName({ kind: 'user', id: 'u', name: 'Ana' })).toBe('Ana')
    expect(actorName({ kind: 'user', id: 'u' })).toBe('a user')
    expect(actorName({ kind: 'api', id: 'k', name: 'Desk' })).toBe('the API key "Desk"')
    expect(actorName({ kind: 'operator', id: 'operator' })).toBe('the platform operator')
    expect(actorName({ kind: 'provider', id: 'meta' })).toBe('Meta')
  })
})
