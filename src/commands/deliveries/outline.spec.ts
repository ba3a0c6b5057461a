import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { outlineOf } from './outline.ts'
import { fieldIn, idIn } from './whose.ts'

const outline = (text: string) => outlineOf(Buffer.from(text))

/** The same by laying it out. */
function laidOut(text: string): { soleNumber: string | undefined } | undefined {
  let delivery: unknown
  try {
    delivery = JSON.parse(text)
  } catch {
    return undefined
  }
  const only = (list: unknown): unknown => (Array.isArray(list) && list.length === 1 ? list[0] : undefined)
  const change = only(fieldIn(only(fieldIn(delivery, 'entry')), 'changes'))
  return { soleNumber: idIn(fieldIn(fieldIn(change, 'value'), 'metadata'), 'phone_number_id') }
}

const change = (phone: unknown) => ({ field: 'messages', value: { metadata: { phone_number_id: phone }, messages: [{ phone_number_id: 'no' }] } })
const delivery = (...changes: unknown[]) => ({ object: 'whatsapp_business_account', entry: [{ id: 'w', changes }] })

describe('the outline of a delivery', () => {
  it('names the number of a delivery that is one change of one number, however it is written', () => {
    expect(outline(JSON.stringify(delivery(change('1002'))))).toEqual({ soleNumber: '1002' })
    expect(outline(JSON.stringify(delivery(change('1002')), null, 2))).toEqual({ soleNumber: '1002' })
  })
  it.each([
    ['two changes', delivery(change('1'), change('2'))],
    ['a change without a number beside it', delivery(change('1'), { field: 'account_update', value: {} })],
    ['two entries', { entry: [...delivery(change('1')).entry, { id: 'x' }] }],
    ['no metadata', delivery({ field: 'account_update', value: { phone_number_id: '1' } })],
    ['an id that is none', delivery(change('1 or 2'))],
    ['a number where a text belongs', delivery(change(12))],
    ['a list', [delivery(change('1'))]],
    ['nothing', {}],
  ])('names none for %s', (_what, value) => {
    expect(outline(JSON.stringify(value))).toEqual({ soleNumber: undefined })
  })
  it.each([
    ['a key twice', '{"entry":[],"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"1"}}}]}]}'],
    ['a key with escapes', String.raw`{"\u0065ntry":[{"changes":[]}],"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"1"}}}]}]}`],
    ['a number with escapes', String.raw`{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"\u0031"}}}]}]}`],
  ])('leaves %s to who parses', (_what, text) => {
    expect(outline(text)).toEqual({ soleNumber: undefined })
  })

  it('takes 128 levels and no more', () => {
    const nest = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(outline(nest(128))).toBeDefined()
    expect(outline(nest(129))).toBeUndefined()
    expect(outline('{"a":'.repeat(129) + '1' + '}'.repeat(129))).toBeUndefined()
    expect(outline('['.repeat(10_000))).toBeUndefined()
  })
  it('does not count brackets within text as depth', () => {
    expect(outline(JSON.stringify({ text: `\\"${'['.repeat(5_000)}` }))).toBeDefined()
  })

  const characters = Array.from('{}[]:,"\\/ \n\tu0019aeE+-.tfnrlsx\u0001é😀')
  const pieces = [
    '"entry"',
    '"changes":',
    '"value":{',
    '"metadata":{',
    '"phone_number_id":"1"',
    'true',
    'null',
    '-0.5e+3',
    '01',
    '1.',
    '"\\u00e9"',
    '\\u12',
  ]
  it('takes exactly what JSON.parse takes', () => {
    const text = fc.oneof(
      fc.json({ maxDepth: 6 }),
      fc.array(fc.constantFrom(...characters, ...pieces), { maxLength: 24 }).map((all) => all.join('')),
      // A delivery with a wound.
      fc
        .tuple(
          fc.constantFrom(JSON.stringify(delivery(change('1'))), JSON.stringify(delivery(change('1')), null, 1)),
          fc.nat(),
          fc.constantFrom('', ...characters),
        )
        .map(([whole, place, wound]) => {
          const at = place % whole.length
          return whole.slice(0, at) + wound + whole.slice(at + 1)
        }),
    )
    fc.assert(
      fc.property(text, (given) => {
        expect(outline(given) === undefined).toBe(laidOut(given) === undefined)
      }),
      { numRuns: 20_000 },
    )
  })

  it('never names another number than laying out would find', () => {
    const key = fc.constantFrom('entry', 'changes', 'value', 'metadata', 'phone_number_id', 'id')
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 9, depthSize: 'max' },
        fc.constantFrom('1', '2', 'a b', 7, null),
        fc.array(tie('tree'), { maxLength: 2 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 3 }),
      ),
    }))
    const shaped = fc
      .array(fc.oneof(fc.constantFrom(change('1'), change('2'), change(3)), tree), { maxLength: 2 })
      .map((changes) => delivery(...changes))
    fc.assert(
      fc.property(fc.oneof(tree, shaped), (value) => {
        const text = JSON.stringify(value)
        const found = outline(text)?.soleNumber
        if (found !== undefined) expect(found).toBe(laidOut(text)?.soleNumber)
      }),
      { numRuns: 20_000 },
    )
  })
})
