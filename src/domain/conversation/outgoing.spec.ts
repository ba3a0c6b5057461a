import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { outgoingBody, outgoingContent } from './outgoing.ts'

const schema = outgoingBody({})
const meta = (body: unknown) => schema.safeParse(body)
const problems = (body: unknown) => meta(body).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)

describe('a message to be sent', () => {
  it('may be given short, as nothing but its text', () => {
    expect(outgoingContent(schema.parse({ text: 'Hola' }))).toEqual({ type: 'text', object: { body: 'Hola' } })
  })
  it("may be Meta's own body, with the message it answers", () => {
    const body = { messaging_product: 'whatsapp', type: 'text', text: { body: 'Hola', preview_url: true }, context: { message_id: 'wamid.IN' } }
    expect(outgoingContent(schema.parse(body))).toEqual({
      type: 'text',
      object: { body: 'Hola', preview_url: true },
      contextId: 'wamid.IN',
    })
  })
  it("keeps the caller's own data and the hash of the customer's identity", () => {
    const body = { text: { body: 'Hola' }, biz_opaque_callback_data: 'order 7', recipient_identity_key_hash: 'DF2lS5v2W6x=' }
    expect(outgoingContent(schema.parse({ ...body, type: 'text' }))).toEqual({
      type: 'text',
      object: { body: 'Hola' },
      callbackData: 'order 7',
      identityKeyHash: 'DF2lS5v2W6x=',
    })
  })
  it('need not say its type when it has the object of one type only', () => {
    expect(outgoingContent(schema.parse({ text: { body: 'Hola' } }))).toEqual({ type: 'text', object: { body: 'Hola' } })
    expect(outgoingContent(schema.parse({ image: { id: '9001' } }))).toEqual({ type: 'image', object: { id: '9001' } })
    expect(meta({ text: { body: 'x' }, image: { id: '1' } }).success).toBe(false)
    expect(meta({}).success).toBe(false)
  })
  it('has between 1 and 4096 characters of text', () => {
    expect(meta({ type: 'text', text: { body: 'x'.repeat(4096) } }).success).toBe(true)
    expect(meta({ type: 'text', text: { body: 'x'.repeat(4097) } }).success).toBe(false)
    expect(meta({ type: 'text', text: { body: '' } }).success).toBe(false)
  })
  it('names the field that is wrong', () => {
    expect(problems({ type: 'image', image: { link: 'ftp://x/y.png' } })?.[0]).toMatch(/^image\.link/)
    expect(problems({ type: 'text', text: { bodi: 'x' } })?.join(' ')).toContain('bodi')
  })
  it('takes a picture by link or by id, never both and never neither', () => {
    expect(meta({ type: 'image', image: { link: 'https://example.com/a.png', caption: 'A' } }).success).toBe(true)
    expect(meta({ type: 'image', image: { id: '9001' } }).success).toBe(true)
    expect(problems({ type: 'image', image: { id: '9001', link: 'https://example.com/a.png' } })).toEqual(['image: Give either `id` or `link`.'])
    expect(problems({ type: 'image', image: {} })).toEqual(['image: Give either `id` or `link`.'])
  })
  it('does not carry the object of another type', () => {
    expect(meta({ type: 'text', text: { body: 'x' }, image: { id: '1' } }).success).toBe(false)
  })
  it('has at most three buttons, all different', () => {
    const button = (n: number) => ({ type: 'reply', reply: { id: `b${n}`, title: `Button ${n}` } })
    const body = (buttons: unknown[]) => ({ type: 'interactive', interactive: { type: 'button', body: { text: '¿Qué día?' }, action: { buttons } } })
    expect(meta(body([1, 2, 3].map(button))).success).toBe(true)
    expect(meta(body([1, 2, 3, 4].map(button))).success).toBe(false)
    expect(meta(body([button(1), button(1)])).success).toBe(false)
  })
  it('has at most ten rows over all sections of a list, each section named when there are several', () => {
    const rows = (count: number, from = 0) => Array.from({ length: count }, (_, n) => ({ id: `r${n + from}`, title: `Row ${n + from}` }))
    const body = (sections: unknown[]) => ({
      type: 'interactive',
      interactive: { type: 'list', body: { text: 'x' }, action: { button: 'Choose', sections } },
    })
    expect(meta(body([{ rows: rows(10) }])).success).toBe(true)
    expect(
      meta(
        body([
          { title: 'A', rows: rows(6) },
          { title: 'B', rows: rows(5, 6) },
        ]),
      ).success,
    ).toBe(false)
    expect(meta(body([{ rows: rows(1) }, { rows: rows(1, 1) }])).success).toBe(false)
  })
  it('may be a template', () => {
    const template = { name: 'order_ready', language: { code: 'es' }, components: [{ type: 'body', parameters: [{ type: 'text', text: 'Ana' }] }] }
    expect(outgoingContent(schema.parse({ type: 'template', template }))).toEqual({ type: 'template', object: template })
  })
  it('may say to whom it goes, where that is asked for', () => {
    const addressed = outgoingBody({ to: z.string() })
    expect(addressed.parse({ to: '+34600', text: 'Hola' })).toMatchObject({ to: '+34600', type: 'text', text: { body: 'Hola' } })
    expect(addressed.safeParse({ text: 'Hola' }).error?.issues.map(({ path }) => path)).toEqual([['to']])
  })
  it('is not of a type that cannot be sent', () => {
    expect(meta({ type: 'hologram', hologram: {} }).success).toBe(false)
  })
})
