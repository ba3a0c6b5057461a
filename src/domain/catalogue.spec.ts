import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventsOf } from './catalogue.ts'
import { secret } from './kernel/secret.ts'

type Node = { readonly [key: string]: unknown }
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** Where a schema, as JSON, speaks of a secret: `{sealed}` or `{plain}`. */
function secretsIn(node: unknown, path: readonly string[]): readonly string[] {
  if (Array.isArray(node)) return node.flatMap((inner: unknown) => secretsIn(inner, path))
  if (!isNode(node)) return []
  const properties = isNode(node['properties']) ? node['properties'] : {}
  const here = 'sealed' in properties || 'plain' in properties ? [path.join('.')] : []
  const inside = Object.entries(properties).flatMap(([name, inner]) => secretsIn(inner, [...path, name]))
  const around = ['anyOf', 'oneOf', 'allOf'].flatMap((name) => secretsIn(node[name], path))
  const within = ['items', 'additionalProperties'].flatMap((name) => secretsIn(node[name], [...path, '[]']))
  return [...here, ...inside, ...around, ...within]
}

const placesIn = (schema: z.ZodType): readonly string[] => secretsIn(z.toJSONSchema(schema, { unrepresentable: 'any' }), [])

describe('every event', () => {
  const events = Object.values(eventsOf).flatMap((union) => union.options as readonly z.ZodObject[])

  it('has its secrets at its top, the only place where they are sealed', () => {
    const places = events.flatMap((event) => {
      const type = String((event.shape['type'] as z.ZodLiteral).value)
      return placesIn(event).map((path) => ({ type, path }))
    })
    expect(places).toContainEqual({ type: 'MessageReceived', path: 'content' })
    expect(placesIn(z.object({ deep: z.object({ one: secret.optional() }) }))).toContain('deep.one')
    expect(placesIn(z.object({ many: z.array(secret) }))).toContain('many.[]')
    expect(places.filter(({ path }) => path.includes('.'))).toEqual([])
  })
})
