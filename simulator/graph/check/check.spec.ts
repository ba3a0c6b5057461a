import { describe, expect, it } from 'vitest'
import { GraphError } from '../../wire/graph-error.ts'
import { createWorld, defaultLimits, putMedium, putMessage, type Template, type Waba } from '../../world/world.ts'
import { checkObject } from './objects.ts'
import { checkTemplate } from './template.ts'
import { checkComponents } from './template-definition.ts'

const world = createWorld(defaultLimits)
const medium = (id: string, mime_type: string): void =>
  putMedium(
    world,
    { id, phone_number_id: '1', mime_type, bytes: Buffer.from('x'), sha256: Buffer.alloc(32), expires_at: Date.now() + 60_000 },
    defaultLimits,
  )
medium('900', 'image/png')
medium('901', 'audio/mpeg')
medium('902', 'audio/ogg; codecs=opus')
putMessage(world, {
  id: 'wamid.IN',
  direction: 'customer',
  phone_number_id: '1',
  customer: '2',
  type: 'text',
  object: {},
  at: Date.now(),
  status: 'received',
})

/** The code of Meta's refusal, `late <code>` when it comes by webhook, `ok` when there is none. */
const outcome = (check: () => { code: number } | undefined): string => {
  try {
    const late = check()
    return late ? `late ${late.code}` : 'ok'
  } catch (error) {
    if (error instanceof GraphError) return String(error.code)
    throw error
  }
}
const send = (type: string, object: unknown, more: Record<string, unknown> = {}): string =>
  outcome(() => checkObject(world, type, { [type]: object, ...more }))
const x = (length: number): string => 'x'.repeat(length)
const body = { text: 'Choose' }
const button = (id: string, title = id): unknown => ({ type: 'reply', reply: { id, title } })
const rows = (count: number, from = 0): unknown => Array.from({ length: count }, (_, at) => ({ id: `r${from + at}`, title: `Row ${at}` }))
const list = (...sections: unknown[]): unknown => ({ type: 'list', body, action: { button: 'Open', sections } })
const buttons = (...all: unknown[]): unknown => ({ type: 'button', body, action: { buttons: all } })
const card = (at: number): unknown => ({
  card_index: at,
  type: 'cta_url',
  header: { type: 'image', image: { link: 'https://example.org/a.png' } },
  action: { name: 'cta_url', parameters: { display_text: 'See', url: 'https://example.org' } },
})

describe('what Meta takes', () => {
  it.each<[string, string, unknown]>([
    ['a text of 4096 characters', 'text', { body: x(4096), preview_url: true }],
    ['a text of 4096 emoji', 'text', { body: '👍'.repeat(4096) }],
    ['an image by id', 'image', { id: '900', caption: x(1024) }],
    ['an image by link', 'image', { link: 'https://example.org/a.jpg' }],
    ['a voice note', 'audio', { id: '902', voice: true }],
    ['a document', 'document', { link: 'https://example.org/a.pdf', filename: 'a.pdf', caption: 'c' }],
    ['a sticker', 'sticker', { link: 'https://example.org/a.webp' }],
    ['a video', 'video', { link: 'https://example.org/a.mp4' }],
    ['a location, as numbers or strings', 'location', { latitude: '4.61', longitude: -74.08, name: 'n', address: 'a' }],
    ['a contact', 'contacts', [{ name: { formatted_name: 'Jo Doe', first_name: 'Jo' }, phones: [{ phone: '+1555' }], birthday: '1990-01-01' }]],
    ['a reaction', 'reaction', { message_id: 'wamid.IN', emoji: '👍🏽' }],
    ['a reaction taken back', 'reaction', { message_id: 'wamid.IN', emoji: '' }],
    ['three buttons', 'interactive', buttons(button('1'), button('2'), button('3'))],
    ['ten rows in two sections', 'interactive', list({ title: 'A', rows: rows(5) }, { title: 'B', rows: rows(5, 5) })],
    [
      'a link button',
      'interactive',
      { type: 'cta_url', body, action: { name: 'cta_url', parameters: { display_text: 'Go', url: 'https://example.org' } } },
    ],
    [
      'a flow',
      'interactive',
      { type: 'flow', body, action: { name: 'flow', parameters: { flow_message_version: '3', flow_id: '1', flow_cta: 'Open' } } },
    ],
    ['a product without a body', 'interactive', { type: 'product', action: { catalog_id: '1', product_retailer_id: 's' } }],
    ['a request for the location', 'interactive', { type: 'location_request_message', body, action: { name: 'send_location' } }],
    ['a request for the phone', 'interactive', { type: 'request_contact_info', body, action: { name: 'request_contact_info' } }],
    ['a carousel of two cards', 'interactive', { type: 'carousel', body, action: { cards: [card(0), card(1)] } }],
  ])('%s', (_what, type, object) => {
    expect(send(type, object)).toBe('ok')
  })
})

describe('what Meta refuses', () => {
  it.each<[string, string, string, unknown]>([
    ['131008', 'a text without a body', 'text', {}],
    ['100', 'a text of 4097 characters', 'text', { body: x(4097) }],
    ['100', 'a key Meta does not know', 'text', { body: 'a', colour: 'red' }],
    ['131008', 'a type without its object', 'text', undefined],
    ['131051', 'a type Meta does not know', 'poll', {}],
    ['100', 'neither id nor link', 'image', { caption: 'c' }],
    ['100', 'both id and link', 'image', { id: '900', link: 'https://example.org' }],
    ['100', 'an unknown medium', 'image', { id: '404' }],
    ['100', 'a link that is none', 'image', { link: 'ftp://x' }],
    ['late 131053', 'a medium of another kind', 'image', { id: '901' }],
    ['late 131053', 'a voice note that is not Ogg', 'audio', { id: '901', voice: true }],
    ['100', 'a caption of an audio', 'audio', { id: '901', caption: 'c' }],
    ['100', 'a caption of 1025 characters', 'image', { id: '900', caption: x(1025) }],
    ['131009', 'a latitude of 91', 'location', { latitude: 91, longitude: 0 }],
    ['131008', 'a location without longitude', 'location', { latitude: 1 }],
    ['131008', 'a contact without formatted_name', 'contacts', [{ name: { first_name: 'Jo' } }]],
    ['131008', 'a contact with formatted_name only', 'contacts', [{ name: { formatted_name: 'Jo' } }]],
    ['131009', 'no contacts', 'contacts', []],
    ['late 131009', 'a reaction to an unknown message', 'reaction', { message_id: 'wamid.NO', emoji: '👍' }],
    ['131009', 'a reaction of two letters', 'reaction', { message_id: 'wamid.IN', emoji: 'ok' }],
    ['131009', 'four buttons', 'interactive', buttons(button('1'), button('2'), button('3'), button('4'))],
    ['131009', 'two buttons of one id', 'interactive', buttons(button('1', 'a'), button('1', 'b'))],
    ['131009', 'a button of 21 characters', 'interactive', buttons(button('1', x(21)))],
    ['131009', 'eleven rows in all', 'interactive', list({ title: 'A', rows: rows(6) }, { title: 'B', rows: rows(5, 6) })],
    ['131008', 'two sections without titles', 'interactive', list({ rows: rows(1) }, { rows: rows(1, 1) })],
    [
      '131009',
      'a list with an image on top',
      'interactive',
      { ...(list({ rows: rows(1) }) as object), header: { type: 'image', image: { id: '900' } } },
    ],
    ['131008', 'an interactive message without a body', 'interactive', { type: 'button', action: { buttons: [button('1')] } }],
    ['131009', 'an unknown kind', 'interactive', { type: 'poll', body, action: {} }],
    ['131009', 'a carousel of one card', 'interactive', { type: 'carousel', body, action: { cards: [card(0)] } }],
    ['131008', 'a list of products without a header', 'interactive', { type: 'product_list', body, action: { catalog_id: '1', sections: [] } }],
    ['131009', 'the wrong action name', 'interactive', { type: 'location_request_message', body, action: { name: 'location' } }],
  ])('%s: %s', (code, _what, type, object) => {
    expect(send(type, object)).toBe(code)
  })
  it('a reaction as a reply', () => {
    expect(send('reaction', { message_id: 'wamid.IN', emoji: '👍' }, { context: { message_id: 'wamid.IN' } })).toBe('131009')
  })
})

describe('template messages', () => {
  const template = (more: Partial<Template>): Template => ({
    id: '8',
    waba_id: '1',
    name: 'order',
    language: 'es',
    category: 'UTILITY',
    status: 'APPROVED',
    parameter_format: 'POSITIONAL',
    quality: 'GREEN',
    components: [{ type: 'BODY', text: 'Hola {{1}}, pedido {{2}}' }],
    ...more,
  })
  const text = (...texts: string[]): unknown[] => texts.map((value) => ({ type: 'text', text: value }))
  const use = (of: Template, components: unknown[], code = 'es'): string => {
    const waba: Waba = {
      id: '1',
      name: 'w',
      subscriptions: new Map(),
      templates: new Map([[of.id, of]]),
      blocked_names: new Map(),
      template_creations: [],
    }
    return outcome(() => checkTemplate(world, waba, { name: 'order', language: { code }, components }).late)
  }
  const filled = [{ type: 'body', parameters: text('Ana', '42') }]

  it.each<[string, string, Partial<Template>, unknown[]]>([
    ['ok', 'filled in', {}, filled],
    ['132000', 'with a value too few', {}, [{ type: 'body', parameters: text('Ana') }]],
    ['132012', 'with a picture for a text', {}, [{ type: 'body', parameters: [...text('Ana'), { type: 'image', image: { id: '900' } }] }]],
    ['132008', 'with a line break in a value', {}, [{ type: 'body', parameters: text('Ana\n', '42') }]],
    ['132005', 'too long once filled in', {}, [{ type: 'body', parameters: text(x(4000), x(200)) }]],
    ['132015', 'that is paused', { status: 'PAUSED' }, filled],
    ['132016', 'that is disabled', { status: 'DISABLED' }, filled],
    ['132001', 'that is not approved yet', { status: 'PENDING' }, filled],
    [
      '132012',
      'with named variables filled by position',
      { parameter_format: 'NAMED', components: [{ type: 'BODY', text: '{{name}}' }] },
      [{ type: 'body', parameters: text('Ana') }],
    ],
    [
      'ok',
      'with named variables',
      { parameter_format: 'NAMED', components: [{ type: 'BODY', text: '{{name}}' }] },
      [{ type: 'body', parameters: [{ type: 'text', parameter_name: 'name', text: 'Ana' }] }],
    ],
    [
      '132000',
      'without the picture of its header',
      {
        components: [
          { type: 'HEADER', format: 'IMAGE' },
          { type: 'BODY', text: 'a' },
        ],
      },
      [],
    ],
    [
      '132012',
      'with a video for the picture of its header',
      {
        components: [
          { type: 'HEADER', format: 'IMAGE' },
          { type: 'BODY', text: 'a' },
        ],
      },
      [{ type: 'header', parameters: [{ type: 'video', video: { id: '900' } }] }],
    ],
    [
      '131008',
      'without the value of its link',
      {
        components: [
          { type: 'BODY', text: 'a' },
          { type: 'BUTTONS', buttons: [{ type: 'URL', url: 'https://x.org/{{1}}' }] },
        ],
      },
      [],
    ],
  ])('%s: a template %s', (code, _what, more, components) => {
    expect(use(template(more), components)).toBe(code)
  })
  it('132001: a template in another language', () => {
    expect(use(template({}), filled, 'es_CO')).toBe('132001')
  })

  const define = (components: unknown, format: 'POSITIONAL' | 'NAMED' = 'POSITIONAL'): string =>
    outcome(() => void checkComponents(components, format))
  it.each<[string, string, unknown]>([
    [
      'ok',
      'with everything',
      [
        { type: 'header', format: 'text', text: 'Hola' },
        { type: 'body', text: 'Hola {{1}}', example: { body_text: [['Ana']] } },
        { type: 'footer', text: 'Gracias' },
        {
          type: 'buttons',
          buttons: [
            { type: 'quick_reply', text: 'Ok' },
            { type: 'url', text: 'Ver', url: 'https://x.org' },
          ],
        },
      ],
    ],
    ['100', 'without a body', [{ type: 'FOOTER', text: 'a' }]],
    ['100', 'with a gap in its variables', [{ type: 'BODY', text: '{{1}} {{3}}', example: { body_text: [['a', 'b']] } }]],
    ['131008', 'without examples', [{ type: 'BODY', text: '{{1}}' }]],
    ['100', 'with named variables where positions are meant', [{ type: 'BODY', text: '{{name}}', example: { body_text: [['a']] } }]],
    [
      '100',
      'with three links',
      [
        { type: 'BODY', text: 'a' },
        { type: 'BUTTONS', buttons: Array.from({ length: 3 }, () => ({ type: 'URL', text: 'a', url: 'https://x.org' })) },
      ],
    ],
    [
      '100',
      'with a header of 61 characters',
      [
        { type: 'HEADER', format: 'TEXT', text: x(61) },
        { type: 'BODY', text: 'a' },
      ],
    ],
  ])('%s: creating a template %s', (code, _what, components) => {
    expect(define(components)).toBe(code)
  })
})
