import { describe, expect, it } from 'vitest'
import type { TemplateDefinition } from './events.ts'
import { previewTemplate } from './preview.ts'

const definition: TemplateDefinition = {
  category: 'MARKETING',
  parameterFormat: 'named',
  components: [
    { type: 'HEADER', format: 'TEXT', text: 'Hi {{name}}' },
    { type: 'BODY', text: '{{name}}, the house costs {{price}}.' },
    { type: 'FOOTER', text: 'Casa' },
    {
      type: 'BUTTONS',
      buttons: [
        { type: 'URL', text: 'See', url: 'https://a.example/{{1}}' },
        { type: 'PHONE_NUMBER', text: 'Call', phone_number: '+34600' },
      ],
    },
    {
      type: 'CAROUSEL',
      cards: [
        {
          components: [
            { type: 'HEADER', format: 'IMAGE' },
            { type: 'BODY', text: '{{1}} rooms' },
          ],
        },
        {
          components: [
            { type: 'HEADER', format: 'IMAGE' },
            { type: 'BODY', text: '{{1}} rooms' },
          ],
        },
      ],
    },
  ],
}

describe('the preview of a template', () => {
  it('shows the message as the customer will see it', () => {
    const preview = previewTemplate(definition, [
      { type: 'header', parameters: [{ type: 'text', parameter_name: 'name', text: 'Ana' }] },
      {
        type: 'body',
        parameters: [
          { type: 'currency', parameter_name: 'price', currency: { fallback_value: '100 €' } },
          { type: 'text', parameter_name: 'name', text: 'Ana' },
        ],
      },
      { type: 'button', sub_type: 'url', index: '0', parameters: [{ type: 'text', text: '42' }] },
      {
        type: 'carousel',
        cards: [
          {
            card_index: 1,
            components: [
              { type: 'header', parameters: [{ type: 'image', image: { id: '7' } }] },
              { type: 'body', parameters: [{ type: 'text', text: '3' }] },
            ],
          },
        ],
      },
    ])
    expect(preview).toEqual({
      header: { format: 'TEXT', text: 'Hi Ana' },
      body: 'Ana, the house costs 100 €.',
      footer: 'Casa',
      buttons: [
        { type: 'URL', text: 'See', url: 'https://a.example/42' },
        { type: 'PHONE_NUMBER', text: 'Call', phoneNumber: '+34600' },
      ],
      cards: [
        { header: { format: 'IMAGE' }, body: '{{1}} rooms', buttons: [] },
        { header: { format: 'IMAGE', media: { id: '7' } }, body: '3 rooms', buttons: [] },
      ],
    })
  })
  it('leaves what has no value yet as its variable', () => {
    expect(previewTemplate(definition, []).body).toBe('{{name}}, the house costs {{price}}.')
  })
  it('takes values by place, in the order of the numbers and not of the words', () => {
    const swapped: TemplateDefinition = { ...definition, parameterFormat: 'positional', components: [{ type: 'BODY', text: '{{2}} before {{1}}' }] }
    const parameters = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ]
    expect(previewTemplate(swapped, [{ type: 'body', parameters }]).body).toBe('two before one')
  })
})
