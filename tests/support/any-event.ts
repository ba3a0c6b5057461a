import fc from 'fast-check'
import { z } from 'zod'
import { eventsOf, type DomainEvent } from '../../src/domain/catalogue.ts'
import { streamRef, type Category, type StreamRef } from '../../src/domain/kernel/stream.ts'

/** What `z.toJSONSchema` gives, as far as events use it. */
type Schema = {
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly type?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
}

const noon = Date.parse('2026-01-01T12:00:00Z')

/** Any value of a schema, out of few: ids meet again, and times come in any order. */
function valueOf(schema: Schema, name: string): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = (schema.anyOf ?? schema.oneOf)?.filter(({ properties }) => properties?.['plain'] === undefined)
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => valueOf(choice, name)))
  switch (schema.type) {
    case 'object':
      return objectOf(schema, name)
    case 'array':
      return fc.array(valueOf(schema.items ?? {}, name), { maxLength: 2 })
    case 'string':
      return textOf(schema, name)
    case 'integer':
    case 'number':
      return fc.integer({ min: 1, max: 4 })
    case 'boolean':
      return fc.boolean()
    default:
      return fc.constantFrom<unknown>(null, 'x', { a: [1, 'é'] })
  }
}

function objectOf({ properties = {}, required = [], additionalProperties }: Schema, name: string): fc.Arbitrary<unknown> {
  const known = fc.record(Object.fromEntries(Object.entries(properties).map(([field, schema]) => [field, valueOf(schema, field)])), {
    requiredKeys: [...required],
  })
  if (typeof additionalProperties !== 'object') return known
  const more = fc.dictionary(fc.constantFrom('one', 'two'), valueOf(additionalProperties, name), { maxKeys: 2 })
  return fc.tuple(known, more).map(([a, b]) => ({ ...b, ...a }))
}

function textOf({ format }: Schema, name: string): fc.Arbitrary<string> {
  if (format === 'date-time') return fc.nat(60).map((second) => new Date(noon + second * 1_000).toISOString())
  if (format === 'date') return fc.nat(20).map((day) => new Date(noon + day * 86_400_000).toISOString().slice(0, 10))
  return fc.nat(2).map((nth) => `${name} ${nth}`)
}

export const tenantsOfAny = ['0197c0de-0000-7000-8000-00000000000a', '0197c0de-0000-7000-8000-00000000000b'] as const

/**
 * Any event of the catalogue, in one of few streams of two tenants: valid by its schema and in no sensible order, so that folds meet what no decider
 * would let happen. Events that are added to the catalogue are among them without a word here.
 */
export const anyEvent: fc.Arbitrary<readonly [StreamRef, DomainEvent]> = fc.oneof(
  ...(Object.keys(eventsOf) as Category[]).map((category) =>
    fc
      .tuple(fc.constantFrom(...tenantsOfAny), fc.nat(2), valueOf(z.toJSONSchema(eventsOf[category], { unrepresentable: 'any' }) as Schema, category))
      .map(([tenantId, nth, event]) => [streamRef(category, tenantId, `${category} ${nth}`), inItsStream(event as DomainEvent, nth)] as const),
  ),
)

/** The one thing that holds for every log: a message is in one conversation. */
function inItsStream(event: DomainEvent, nth: number): DomainEvent {
  const ours = ['messageId', 'as', 'targetId', 'throughMessageId'].filter((field) => field in event)
  return { ...event, ...Object.fromEntries(ours.map((field) => [field, `${event[field as keyof DomainEvent]} of ${nth}`])) }
}
