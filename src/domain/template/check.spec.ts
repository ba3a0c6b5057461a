import { describe, expect, it } from 'vitest'
import { checkTemplate } from './check.ts'
import type { TemplateDefinition } from './events.ts'

const define = (components: unknown[], parameterFormat: 'positional' | 'named' = 'positional', category = 'UTILITY'): TemplateDefinition => ({
  category,
  parameterFormat,
  components: components as TemplateDefinition['components'],
})
const text = (value: string, name?: string) => ({ type: 'text', text: value, ...(name === undefined ? {} : { parameter_name: name }) })
const body = (...parameters: unknown[]) => ({ type: 'body', parameters })
const headed = (...parameters: unknown[]) => ({ type: 'header', parameters })
const pressed = (index: number | string, subType: string, ...parameters: unknown[]) => ({ type: 'button', sub_type: subType, index, parameters })
const paths = (definition: TemplateDefinition, ...components: unknown[]) => (checkTemplate(definition, { components }) ?? []).map(({ path }) => path)

const plain = define([{ type: 'BODY', text: 'Hello' }])
const two = define([{ type: 'BODY', text: 'Hi {{1}}, see you {{2}}' }])
const named = define([{ type: 'BODY', text: 'Hi {{name}} at {{hour}}' }], 'named')
const withHeader = (format: string, more = {}) =>
  define([
    { type: 'HEADER', format, ...more },
    { type: 'BODY', text: 'x' },
  ])
const withButtons = (...buttons: unknown[]) =>
  define([
    { type: 'BODY', text: 'x' },
    { type: 'BUTTONS', buttons },
  ])
const site = { type: 'URL', text: 'See', url: 'https://a.example/{{1}}' }
const house = (...more: unknown[]) => ({
  components: [
    { type: 'HEADER', format: 'IMAGE' },
    { type: 'BODY', text: '{{1}} rooms' },
    { type: 'BUTTONS', buttons: [{ type: 'QUICK_REPLY', text: 'Visit' }, site] },
    ...more,
  ],
})
const carousel = define([
  { type: 'BODY', text: 'For you, {{1}}' },
  { type: 'CAROUSEL', cards: [house(), house()] },
])
const shown = (index: number, ...more: unknown[]) => ({
  card_index: index,
  components: [headed({ type: 'image', image: { id: '1' } }), body(text('3')), pressed('1', 'url', text('abc')), ...more],
})

describe('parameters fit the template', () => {
  it.each<[string, TemplateDefinition, unknown[]]>([
    ['when it has none', plain, []],
    ['by place', two, [body(text('Ana'), text('Monday'))]],
    ['by name, in any order', named, [body(text('9', 'hour'), text('Ana', 'name'))]],
    [
      'as money and dates',
      two,
      [
        body(
          { type: 'currency', currency: { fallback_value: '1 €', code: 'EUR', amount_1000: 1000 } },
          { type: 'date_time', date_time: { fallback_value: 'today' } },
        ),
      ],
    ],
    ['with types in capitals', two, [{ type: 'BODY', parameters: [text('a'), text('b')] }]],
    ['with a header text', withHeader('TEXT', { text: 'Hi {{1}}' }), [headed(text('Ana'))]],
    ['with a picture by link', withHeader('IMAGE'), [headed({ type: 'image', image: { link: 'https://a.example/1.jpg' } })]],
    ['with a document by id', withHeader('DOCUMENT'), [headed({ type: 'document', document: { id: '9', filename: 'a.pdf' } })]],
    [
      'with a place',
      withHeader('LOCATION'),
      [headed({ type: 'location', location: { latitude: '40.4', longitude: -3.7, name: 'Here', address: 'There' } })],
    ],
    ['with the end of an address', withButtons(site), [pressed('0', 'url', text('abc'))]],
    ['with a payload, or without', withButtons({ type: 'QUICK_REPLY', text: 'Yes' }), [pressed(0, 'quick_reply', { type: 'payload', payload: 'P' })]],
    ['without touching a quick reply', withButtons({ type: 'QUICK_REPLY', text: 'Yes' }), []],
    ['with a coupon', withButtons({ type: 'COPY_CODE', text: 'Copy' }), [pressed(0, 'copy_code', { type: 'coupon_code', coupon_code: 'SUN25' })]],
    [
      'with the data of a flow, or without',
      withButtons({ type: 'FLOW', text: 'Open' }),
      [pressed(0, 'flow', { type: 'action', action: { flow_token: 't', flow_action_data: {} } })],
    ],
    [
      'with a catalogue picture',
      withButtons({ type: 'CATALOG', text: 'See' }),
      [pressed(0, 'catalog', { type: 'action', action: { thumbnail_product_retailer_id: 'sku' } })],
    ],
    [
      'with products',
      withButtons({ type: 'MPM', text: 'See' }),
      [pressed(0, 'mpm', { type: 'action', action: { sections: [{ title: 'A', product_items: [{ product_retailer_id: 'x' }] }] } })],
    ],
    [
      'with a password twice, in body and button',
      define([{ type: 'BODY' }, { type: 'BUTTONS', buttons: [{ type: 'OTP', otp_type: 'COPY_CODE' }] }], 'positional', 'AUTHENTICATION'),
      [body(text('123456')), pressed(0, 'url', text('123456'))],
    ],
    ['in every card of a carousel', carousel, [body(text('Ana')), { type: 'carousel', cards: [shown(1), shown(0)] }]],
    [
      'with the end of an offer',
      define([
        { type: 'BODY', text: 'x' },
        { type: 'LIMITED_TIME_OFFER', limited_time_offer: { text: 'Soon', has_expiration: true } },
      ]),
      [{ type: 'limited_time_offer', parameters: [{ type: 'limited_time_offer', limited_time_offer: { expiration_time_ms: 1_800_000_000_000 } }] }],
    ],
  ])('%s', (_what, definition, components) => {
    expect(checkTemplate(definition, { components })).toBeUndefined()
  })
})

describe('parameters do not fit the template, and the path says where,', () => {
  it.each<[string, TemplateDefinition, unknown[], string]>([
    ['when it has none and some are given', plain, [body(text('x'))], 'components.0.parameters'],
    ['when it has two and one is given', two, [body(text('x'))], 'components.0.parameters'],
    ['when they are left out', two, [], 'components'],
    ['when names are given to places', two, [body(text('a', 'x'), text('b'))], 'components.0.parameters.0.parameter_name'],
    ['when a name is missing', named, [body(text('Ana', 'name'), text('9'))], 'components.0.parameters.1.parameter_name'],
    ['when a name is there twice', named, [body(text('Ana', 'name'), text('9', 'name'))], 'components.0.parameters.1.parameter_name'],
    ['when a text is empty', two, [body(text(''), text('b'))], 'components.0.parameters.0.text'],
    ['when a text has a line break', two, [body(text('a\nb'), text('b'))], 'components.0.parameters.0.text'],
    ['when a text has five blanks in a row', two, [body(text('a     b'), text('b'))], 'components.0.parameters.0.text'],
    ['when a parameter is a picture', two, [body({ type: 'image' }, text('b'))], 'components.0.parameters.0.type'],
    [
      'when money has no currency',
      two,
      [body({ type: 'currency', currency: { fallback_value: '1', amount_1000: 1 } }, text('b'))],
      'components.0.parameters.0.currency.code',
    ],
    ['when the header picture is left out', withHeader('IMAGE'), [], 'components'],
    ['when the header is another kind', withHeader('IMAGE'), [headed({ type: 'video', video: { id: '1' } })], 'components.0.parameters.0.type'],
    [
      'when the picture has id and link',
      withHeader('IMAGE'),
      [headed({ type: 'image', image: { id: '1', link: 'https://a.example' } })],
      'components.0.parameters.0.image',
    ],
    [
      'when a place is beyond the pole',
      withHeader('LOCATION'),
      [headed({ type: 'location', location: { latitude: 91, longitude: 1, name: 'a', address: 'b' } })],
      'components.0.parameters.0.location.latitude',
    ],
    [
      'when a place has no address',
      withHeader('LOCATION'),
      [headed({ type: 'location', location: { latitude: 1, longitude: 1, name: 'a' } })],
      'components.0.parameters.0.location.address',
    ],
    ['when the end of an address is left out', withButtons(site), [], 'components'],
    [
      'when a fixed address gets an end',
      withButtons({ type: 'URL', text: 'x', url: 'https://a.example' }),
      [pressed(0, 'url', text('x'))],
      'components.0.parameters',
    ],
    ['when there is no such button', withButtons(site), [pressed(0, 'url', text('x')), pressed(1, 'url', text('x'))], 'components.1.index'],
    ['when the button is another kind', withButtons(site), [pressed(0, 'quick_reply', { type: 'payload', payload: 'x' })], 'components.0.sub_type'],
    ['when a button is filled twice', withButtons(site), [pressed(0, 'url', text('x')), pressed('0', 'url', text('x'))], 'components.1.index'],
    [
      'when a coupon is too long',
      withButtons({ type: 'COPY_CODE' }),
      [pressed(0, 'copy_code', { type: 'coupon_code', coupon_code: 'x'.repeat(16) })],
      'components.0.parameters.0.coupon_code',
    ],
    [
      'when a phone button gets a parameter',
      withButtons({ type: 'PHONE_NUMBER', text: 'x', phone_number: '+1' }),
      [pressed(0, 'phone_number', text('x'))],
      'components.0.parameters',
    ],
    [
      'when products are left out',
      withButtons({ type: 'MPM', text: 'x' }),
      [pressed(0, 'mpm', { type: 'action', action: {} })],
      'components.0.parameters.0.action.sections',
    ],
    ['when the carousel is left out', carousel, [body(text('Ana'))], 'components'],
    ['when a card is missing', carousel, [body(text('Ana')), { type: 'carousel', cards: [shown(0)] }], 'components.1.cards'],
    [
      'when a card is there twice',
      carousel,
      [body(text('Ana')), { type: 'carousel', cards: [shown(0), shown(0)] }],
      'components.1.cards.1.card_index',
    ],
    [
      'when a card lacks its picture',
      carousel,
      [body(text('Ana')), { type: 'carousel', cards: [shown(0), { card_index: 1, components: [body(text('3')), pressed(1, 'url', text('x'))] }] }],
      'components.1.cards.1.components',
    ],
    [
      'when a card has a text too many',
      carousel,
      [
        body(text('Ana')),
        {
          type: 'carousel',
          cards: [
            shown(0),
            { card_index: 1, components: [headed({ type: 'image', image: { id: '1' } }), body(text('3'), text('4')), pressed(1, 'url', text('x'))] },
          ],
        },
      ],
      'components.1.cards.1.components.1.parameters',
    ],
    ['when there is no carousel to fill', plain, [{ type: 'carousel', cards: [] }], 'components.0.type'],
    [
      'when the end of an offer is left out',
      define([
        { type: 'BODY', text: 'x' },
        { type: 'LIMITED_TIME_OFFER', limited_time_offer: { has_expiration: true } },
      ]),
      [],
      'components',
    ],
    ['when a component is unknown', plain, [{ type: 'hero' }], 'components.0.type'],
    ['when the body is there twice', two, [body(text('a'), text('b')), body(text('a'), text('b'))], 'components.1.type'],
  ])('%s', (_what, definition, components, path) => {
    expect(paths(definition, ...components)).toContain(path)
  })
})
