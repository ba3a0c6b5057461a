import { describe, expect, it } from 'vitest'
import { definitionMistakes, templateDefinition, templateLanguage, templateName } from './definition.ts'

type Given = { category?: string; parameterFormat?: string; components?: unknown[]; messageSendTtlSeconds?: number }
const body = { type: 'BODY', text: 'Hello' }
const mistakes = (given: Given): string[] => {
  const parsed = templateDefinition.safeParse({ category: 'MARKETING', components: [body], ...given })
  if (!parsed.success) return parsed.error.issues.map(({ path }) => path.join('.'))
  return definitionMistakes(parsed.data).map(({ path }) => path.join('.'))
}
const header = (more: object) => ({ components: [{ type: 'header', ...more }, body] })
const buttons = (...list: object[]) => ({ components: [body, { type: 'buttons', buttons: list }] })
const reply = (text: string) => ({ type: 'quick_reply', text })
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index))
const handle = { header_handle: ['4::aW'] }
const card = (more: object[] = []) => ({
  components: [{ type: 'header', format: 'image', example: handle }, { type: 'body', text: 'A house' }, ...more],
})
const carousel = (cards: object[]) => ({ components: [body, { type: 'carousel', cards }] })

describe('the definition of a template is accepted', () => {
  it.each<[string, Given]>([
    ['with a body alone', {}],
    ['with types in small letters', { components: [{ type: 'body', text: 'Hi' }] }],
    ['with 1024 characters of body, counted as people count', { components: [{ type: 'BODY', text: '🏠'.repeat(1024) }] }],
    ['with positional variables and examples', { components: [{ type: 'BODY', text: '{{2}} {{1}}', example: { body_text: [['a', 'b']] } }] }],
    [
      'with named variables and examples',
      {
        parameterFormat: 'named',
        components: [{ type: 'BODY', text: '{{first_name}}!', example: { body_text_named_params: [{ param_name: 'first_name', example: 'Ana' }] } }],
      },
    ],
    ['with a text header of one variable', header({ format: 'text', text: 'Hi {{1}}', example: { header_text: ['Ana'] } })],
    ['with an image header and its sample', header({ format: 'image', example: handle })],
    ['with a location header', header({ format: 'LOCATION' })],
    ['with a footer of 60', { components: [body, { type: 'FOOTER', text: 'x'.repeat(60) }] }],
    ['with ten quick replies', buttons(...many(10, (index) => reply(`B${index}`)))],
    [
      'with two urls, one with a variable',
      buttons(
        { type: 'url', text: 'A', url: 'https://a.example' },
        { type: 'url', text: 'B', url: 'https://a.example/{{1}}', example: ['https://a.example/1'] },
      ),
    ],
    ['with a phone number', buttons({ type: 'phone_number', text: 'Call', phone_number: '+34600000000' })],
    ['with a code of 15', buttons({ type: 'copy_code', example: 'x'.repeat(15) })],
    ['with a flow', buttons({ type: 'flow', text: 'Open', flow_id: '1' })],
    [
      'with catalog, mpm, spm, voice call and contact request buttons',
      buttons(
        { type: 'catalog', text: 'See' },
        { type: 'mpm' },
        { type: 'spm' },
        { type: 'voice_call', text: 'Call' },
        { type: 'request_contact_info' },
      ),
    ],
    [
      'as authentication without words',
      {
        category: 'AUTHENTICATION',
        components: [
          { type: 'BODY', add_security_recommendation: true },
          { type: 'BUTTONS', buttons: [{ type: 'OTP', otp_type: 'copy_code' }] },
        ],
      },
    ],
    ['with ten cards', carousel(many(10, () => card([{ type: 'buttons', buttons: [reply('Yes')] }])))],
    ['with an offer', { components: [body, { type: 'limited_time_offer', limited_time_offer: { text: 'Ends soon', has_expiration: true } }] }],
    ['with a call permission request', { components: [body, { type: 'call_permission_request' }] }],
    ['with a lifetime of 12 hours for marketing', { messageSendTtlSeconds: 43_200 }],
    ['with an endless lifetime for utility', { category: 'UTILITY', messageSendTtlSeconds: -1 }],
  ])('%s', (_what, given) => {
    expect(mistakes(given)).toEqual([])
  })
})

describe('the definition of a template is refused, with the path of the mistake,', () => {
  it.each<[string, Given, string]>([
    ['of an unknown category', { category: 'OTHER' }, 'category'],
    ['without components', { components: [] }, 'components'],
    ['without a body', { components: [{ type: 'FOOTER', text: 'x' }] }, 'components'],
    ['with two bodies', { components: [body, body] }, 'components.1.type'],
    ['with an unknown component', { components: [body, { type: 'HERO' }] }, 'components.1.type'],
    ['with 1025 characters of body', { components: [{ type: 'BODY', text: 'x'.repeat(1025) }] }, 'components.0.text'],
    ['with an empty body', { components: [{ type: 'BODY', text: '' }] }, 'components.0.text'],
    [
      'with a gap in the variables',
      { components: [{ type: 'BODY', text: '{{1}} {{3}}', example: { body_text: [['a', 'b']] } }] },
      'components.0.text',
    ],
    [
      'with too few examples',
      { components: [{ type: 'BODY', text: '{{1}} {{2}}', example: { body_text: [['a']] } }] },
      'components.0.example.body_text',
    ],
    ['with names in a positional template', { components: [{ type: 'BODY', text: '{{name}}' }] }, 'components.0.text'],
    ['with capitals in names', { parameterFormat: 'named', components: [{ type: 'BODY', text: '{{Name}}' }] }, 'components.0.text'],
    [
      'with a name without example',
      { parameterFormat: 'named', components: [{ type: 'BODY', text: '{{name}}' }] },
      'components.0.example.body_text_named_params',
    ],
    ['with an unknown header format', header({ format: 'SOUND' }), 'components.0.format'],
    ['with a header of 61', header({ format: 'TEXT', text: 'x'.repeat(61) }), 'components.0.text'],
    ['with two variables in the header', header({ format: 'TEXT', text: '{{1}} {{2}}', example: { header_text: ['a', 'b'] } }), 'components.0.text'],
    ['with a header without example', header({ format: 'TEXT', text: '{{1}}' }), 'components.0.example.header_text'],
    ['with a media header without sample', header({ format: 'VIDEO' }), 'components.0.example.header_handle'],
    ['with a footer of 61', { components: [body, { type: 'FOOTER', text: 'x'.repeat(61) }] }, 'components.1.text'],
    ['with a variable in the footer', { components: [body, { type: 'FOOTER', text: 'x {{1}}' }] }, 'components.1.text'],
    ['with eleven buttons', buttons(...many(11, () => reply('x'))), 'components.1.buttons'],
    ['with a label of 26', buttons(reply('x'.repeat(26))), 'components.1.buttons.0.text'],
    ['with an unknown button', buttons({ type: 'LASER', text: 'x' }), 'components.1.buttons.0.type'],
    ['with three urls', buttons(...many(3, () => ({ type: 'URL', text: 'x', url: 'https://a.example' }))), 'components.1.buttons.2'],
    ['with a url that is none', buttons({ type: 'URL', text: 'x', url: 'a.example' }), 'components.1.buttons.0.url'],
    [
      'with a variable inside a url',
      buttons({ type: 'URL', text: 'x', url: 'https://a.example/{{1}}/b', example: ['x'] }),
      'components.1.buttons.0.url',
    ],
    ['with a url variable without example', buttons({ type: 'URL', text: 'x', url: 'https://a.example/{{1}}' }), 'components.1.buttons.0.example'],
    [
      'with two phone numbers',
      buttons(...many(2, () => ({ type: 'PHONE_NUMBER', text: 'x', phone_number: '+34600000000' }))),
      'components.1.buttons.1',
    ],
    [
      'with a phone number that is none',
      buttons({ type: 'PHONE_NUMBER', text: 'x', phone_number: 'call me' }),
      'components.1.buttons.0.phone_number',
    ],
    ['with a code of 16', buttons({ type: 'COPY_CODE', example: 'x'.repeat(16) }), 'components.1.buttons.0.example'],
    ['with a flow that is not named', buttons({ type: 'FLOW', text: 'x' }), 'components.1.buttons.0'],
    ['with a password button outside authentication', buttons({ type: 'OTP', otp_type: 'COPY_CODE' }), 'components.1.buttons.0.type'],
    ['as authentication with words', { category: 'AUTHENTICATION' }, 'components.0.text'],
    [
      'as authentication that expires after 91 minutes',
      { category: 'AUTHENTICATION', components: [{ type: 'BODY' }, { type: 'FOOTER', code_expiration_minutes: 91 }] },
      'components.1.code_expiration_minutes',
    ],
    ['with one card', carousel([card()]), 'components.1.cards'],
    ['with eleven cards', carousel(many(11, () => card())), 'components.1.cards'],
    ['with cards of different kinds', carousel([card(), card([{ type: 'buttons', buttons: [reply('Yes')] }])]), 'components.1.cards.1'],
    ['with a card without header', carousel([card(), { components: [{ type: 'BODY', text: 'x' }] }]), 'components.1.cards.1.components'],
    [
      'with a card body of 161',
      carousel([
        card(),
        {
          components: [
            { type: 'HEADER', format: 'IMAGE', example: handle },
            { type: 'BODY', text: 'x'.repeat(161) },
          ],
        },
      ]),
      'components.1.cards.1.components.1.text',
    ],
    [
      'with a footer in a card',
      carousel([card([{ type: 'FOOTER', text: 'x' }]), card([{ type: 'FOOTER', text: 'x' }])]),
      'components.1.cards.0.components.2.type',
    ],
    [
      'with a long offer',
      { components: [body, { type: 'LIMITED_TIME_OFFER', limited_time_offer: { text: 'x'.repeat(17) } }] },
      'components.1.limited_time_offer.text',
    ],
    ['with a lifetime that marketing does not have', { messageSendTtlSeconds: 60 }, 'messageSendTtlSeconds'],
    [
      'with a lifetime of 16 minutes for authentication',
      { category: 'AUTHENTICATION', components: [{ type: 'BODY' }], messageSendTtlSeconds: 960 },
      'messageSendTtlSeconds',
    ],
  ])('%s', (_what, given, path) => {
    expect(mistakes(given)).toContain(path)
  })
})

describe('names and languages', () => {
  it('are those that Meta takes', () => {
    expect(['visit_reminder_2', 'a'].every((name) => templateName.safeParse(name).success)).toBe(true)
    expect(['Visit', 'with blank', 'ñ', '', 'x'.repeat(513)].some((name) => templateName.safeParse(name).success)).toBe(false)
    expect(['es', 'pt_BR', 'fil', 'zh_CN'].every((code) => templateLanguage.safeParse(code).success)).toBe(true)
    expect(['en-US', 'EN', 'spanish', ''].some((code) => templateLanguage.safeParse(code).success)).toBe(false)
  })
})
