import type { OutgoingType } from '../../src/domain/conversation/outgoing.ts'

/** Every shape of Meta's send body, and every way to get it wrong that Meta's limits name. `path` is where the mistake is. */
export type Shape = { readonly name: string; readonly type: OutgoingType; readonly object: unknown }
export type WrongShape = Shape & {
  readonly path: string
  /** Meta's page names the rule; the simulator takes it all the same. */
  readonly stricterHere?: true
}

const x = (length: number): string => 'x'.repeat(length)
const picture = { link: 'https://example.com/a.png' }
const clip = { link: 'https://example.com/a.mp4' }
const paper = { link: 'https://example.com/a.pdf', filename: 'a.pdf' }
const body = { text: '¿Qué día?' }
const reply = (n: number) => ({ type: 'reply', reply: { id: `b${n}`, title: `Button ${n}` } })
const rows = (count: number, from = 0) => Array.from({ length: count }, (_, n) => ({ id: `r${n + from}`, title: `Row ${n + from}` }))
const products = (count: number) => Array.from({ length: count }, (_, n) => ({ product_retailer_id: `sku-${n}` }))
const open = { name: 'cta_url', parameters: { display_text: 'Open', url: 'https://example.com' } }
const card = (n: number, action: unknown = open) => ({
  card_index: n,
  type: 'cta_url',
  header: { type: 'image', image: picture },
  body: { text: 'A' },
  action,
})
const quickReplies = (n: number) => ({ buttons: [{ type: 'quick_reply', quick_reply: { id: `q${n}`, title: 'Yes' } }] })
const productCard = (n: number) => ({ card_index: n, type: 'product', action: { catalog_id: '1', product_retailer_id: `sku-${n}` } })

const interactive = (name: string, object: Record<string, unknown>): Shape => ({ name: `interactive ${name}`, type: 'interactive', object })
const buttons = (all: unknown[]) => ({ type: 'button', body, action: { buttons: all } })
const list = (sections: unknown[]) => ({ type: 'list', body, action: { button: 'Choose', sections } })
const named = (type: string, more: Record<string, unknown> = {}) => ({ type, body, action: { name: type, ...more } })
const flow = (parameters: Record<string, unknown>) =>
  named('flow', { parameters: { flow_message_version: '3', flow_id: '1', flow_token: 't', flow_cta: 'Open', mode: 'published', ...parameters } })
const productList = (more: Record<string, unknown>, sections: unknown[] = [{ title: 'A', product_items: products(2) }]) => ({
  type: 'product_list',
  header: { type: 'text', text: 'Menu' },
  body,
  action: { catalog_id: '1', sections },
  ...more,
})
const carousel = (cards: unknown[]) => ({ type: 'carousel', body, action: { cards } })
const person = { name: { formatted_name: 'Ana Ruiz', first_name: 'Ana' } }

export const goodShapes: readonly Shape[] = [
  { name: 'text', type: 'text', object: { body: 'Hola', preview_url: true } },
  { name: 'the longest text', type: 'text', object: { body: x(4096) } },
  { name: 'a text of 4096 emoji', type: 'text', object: { body: '🙂'.repeat(4096) } },
  { name: 'image', type: 'image', object: { ...picture, caption: x(1024) } },
  { name: 'video', type: 'video', object: { ...clip, caption: 'A' } },
  { name: 'audio', type: 'audio', object: { link: 'https://example.com/a.ogg', voice: true } },
  { name: 'document', type: 'document', object: { ...paper, caption: 'A' } },
  { name: 'sticker', type: 'sticker', object: { link: 'https://example.com/a.webp' } },
  { name: 'location', type: 'location', object: { latitude: -34.6, longitude: -58.38, name: 'Obelisco', address: 'Av. 9 de Julio' } },
  {
    name: 'contacts',
    type: 'contacts',
    object: [
      {
        ...person,
        phones: [{ phone: '+54 9 11 2233-4455', type: 'CELL', wa_id: '5491122334455' }],
        emails: [{ email: 'ana@example.com', type: 'WORK' }],
        addresses: [{ street: 'Calle 1', city: 'Lima', country_code: 'PE', type: 'HOME' }],
        org: { company: 'Acme', department: 'Sales', title: 'Head' },
        urls: [{ url: 'https://example.com', type: 'WORK' }],
        birthday: '1990-01-31',
      },
    ],
  },
  interactive('with three buttons', { ...buttons([1, 2, 3].map(reply)), header: { type: 'text', text: x(60) }, footer: { text: x(60) } }),
  interactive('with a picture above', { ...buttons([reply(1)]), header: { type: 'image', image: picture } }),
  interactive('with a film above', { ...buttons([reply(1)]), header: { type: 'video', video: clip } }),
  interactive('with a paper above', { ...buttons([reply(1)]), header: { type: 'document', document: paper } }),
  interactive('list', { ...list([{ rows: rows(10) }]), body: { text: x(4096) }, header: { type: 'text', text: 'Menu' } }),
  interactive(
    'list of two sections',
    list([
      { title: 'A', rows: rows(6) },
      { title: 'B', rows: rows(4, 6) },
    ]),
  ),
  interactive('link', { type: 'cta_url', body, action: open }),
  interactive('flow', flow({ flow_action: 'navigate', flow_action_payload: { screen: 'S1', data: { k: 'v' } } })),
  interactive('flow that asks for data', flow({ flow_action: 'data_exchange' })),
  interactive('product', { type: 'product', body, action: { catalog_id: '1', product_retailer_id: 'sku-1' } }),
  interactive('product without words', { type: 'product', action: { catalog_id: '1', product_retailer_id: 'sku-1' } }),
  interactive('product list', productList({})),
  interactive('product list of 30', productList({}, [{ product_items: products(30) }])),
  interactive('catalogue', named('catalog_message', { parameters: { thumbnail_product_retailer_id: 'sku-1' } })),
  interactive('location request', { type: 'location_request_message', body, action: { name: 'send_location' } }),
  interactive('address request', named('address_message', { parameters: { country: 'IN', values: { name: 'A' }, saved_addresses: [] } })),
  interactive('call permission', named('call_permission_request')),
  interactive('call button', named('voice_call', { parameters: { display_text: 'Call', ttl_minutes: 100, payload: 'p' } })),
  interactive('contact request', named('request_contact_info')),
  interactive('order details', {
    type: 'order_details',
    body,
    action: { name: 'review_and_pay', parameters: { reference_id: 'o-1', currency: 'BRL' } },
  }),
  interactive('order status', {
    type: 'order_status',
    body,
    action: { name: 'review_order', parameters: { reference_id: 'o-1', order: { status: 'shipped' } } },
  }),
  interactive('carousel', carousel([card(0), card(1)])),
  interactive('carousel of ten', carousel(Array.from({ length: 10 }, (_, n) => card(n)))),
  interactive('carousel with buttons', carousel([card(0, quickReplies(0)), card(1, quickReplies(1))])),
  interactive('carousel of products', carousel([productCard(0), productCard(1)])),
]

const wrong = (shape: Shape, path: string, more: { stricterHere?: true } = {}): WrongShape => ({ ...shape, path, ...more })
const wrongInteractive = (name: string, path: string, object: Record<string, unknown>, more: { stricterHere?: true } = {}): WrongShape =>
  wrong(interactive(name, object), path === '' ? 'interactive' : `interactive.${path}`, more)

export const wrongShapes: readonly WrongShape[] = [
  wrong({ name: 'a text of nothing', type: 'text', object: { body: '' } }, 'text.body'),
  wrong({ name: 'a text too long', type: 'text', object: { body: x(4097) } }, 'text.body'),
  wrong({ name: 'a text with what text has not', type: 'text', object: { body: 'x', bold: true } }, 'text.bold'),
  wrong({ name: 'a picture of nothing', type: 'image', object: {} }, 'image'),
  wrong({ name: 'a picture by id and by link', type: 'image', object: { ...picture, id: '1' } }, 'image'),
  wrong({ name: 'a caption too long', type: 'image', object: { ...picture, caption: x(1025) } }, 'image.caption'),
  wrong({ name: 'a sound with a caption', type: 'audio', object: { link: 'https://example.com/a.ogg', caption: 'x' } }, 'audio.caption'),
  wrong({ name: 'a sticker with a caption', type: 'sticker', object: { link: 'https://example.com/a.webp', caption: 'x' } }, 'sticker.caption'),
  wrong({ name: 'a film by another scheme', type: 'video', object: { link: 'ftp://example.com/a.mp4' } }, 'video.link'),
  wrong({ name: 'a place that is not on earth', type: 'location', object: { latitude: 91, longitude: 0 } }, 'location.latitude'),
  wrong({ name: 'a place without a longitude', type: 'location', object: { latitude: 9 } }, 'location.longitude'),
  wrong({ name: 'no contact', type: 'contacts', object: [] }, 'contacts'),
  wrong({ name: '258 contacts', type: 'contacts', object: Array.from({ length: 258 }, () => person) }, 'contacts'),
  wrong({ name: 'a contact with a formatted name only', type: 'contacts', object: [{ name: { formatted_name: 'Ana' } }] }, 'contacts.0.name'),
  wrong(
    { name: 'a contact without a formatted name', type: 'contacts', object: [{ name: { first_name: 'Ana' } }] },
    'contacts.0.name.formatted_name',
  ),
  wrong({ name: 'a birthday in words', type: 'contacts', object: [{ ...person, birthday: '31 Jan' }] }, 'contacts.0.birthday'),
  wrong({ name: 'a reaction of a word', type: 'reaction', object: { message_id: 'wamid.IN', emoji: 'ok' } }, 'reaction.emoji'),
  wrong({ name: 'a reaction to nothing', type: 'reaction', object: { emoji: '👍' } }, 'reaction.message_id'),
  wrongInteractive('of an unknown kind', 'type', { type: 'hologram', body, action: {} }),
  wrongInteractive('without a body', 'body', { type: 'button', action: { buttons: [reply(1)] } }),
  wrongInteractive('with a body too long', 'body.text', { ...buttons([reply(1)]), body: { text: x(1025) } }),
  wrongInteractive('with a footer too long', 'footer.text', { ...buttons([reply(1)]), footer: { text: x(61) } }),
  wrongInteractive('with a header too long', 'header.text', { ...buttons([reply(1)]), header: { type: 'text', text: x(61) } }),
  wrongInteractive('with four buttons', 'action.buttons', buttons([1, 2, 3, 4].map(reply))),
  wrongInteractive('with no button', 'action.buttons', buttons([])),
  wrongInteractive('with the same button twice', 'action.buttons', buttons([reply(1), reply(1)])),
  wrongInteractive('with a button of 21 characters', 'action.buttons.0.reply.title', buttons([{ type: 'reply', reply: { id: '1', title: x(21) } }])),
  wrongInteractive(
    'with a button id of 257 characters',
    'action.buttons.0.reply.id',
    buttons([{ type: 'reply', reply: { id: x(257), title: 'A' } }]),
  ),
  wrongInteractive(
    'list of 11 rows',
    'action.sections',
    list([
      { title: 'A', rows: rows(6) },
      { title: 'B', rows: rows(5, 6) },
    ]),
  ),
  wrongInteractive('list of 11 sections', 'action.sections', list(Array.from({ length: 11 }, (_, n) => ({ title: `S${n}`, rows: rows(1, n) })))),
  wrongInteractive('list of sections without titles', 'action.sections', list([{ rows: rows(1) }, { rows: rows(1, 1) }])),
  wrongInteractive('list with the same row twice', 'action.sections', list([{ rows: [...rows(1), ...rows(1)] }])),
  wrongInteractive('list with a row of 25 characters', 'action.sections.0.rows.0.title', list([{ rows: [{ id: '1', title: x(25) }] }])),
  wrongInteractive(
    'list with a description of 73',
    'action.sections.0.rows.0.description',
    list([{ rows: [{ id: '1', title: 'A', description: x(73) }] }]),
  ),
  wrongInteractive('list with a picture above', 'header.type', { ...list([{ rows: rows(1) }]), header: { type: 'image', image: picture } }),
  wrongInteractive('list with a button of 21', 'action.button', { type: 'list', body, action: { button: x(21), sections: [{ rows: rows(1) }] } }),
  wrongInteractive('link that is none', 'action.parameters.url', {
    type: 'cta_url',
    body,
    action: { name: 'cta_url', parameters: { display_text: 'A', url: 'nowhere' } },
  }),
  wrongInteractive('link with a label of 21', 'action.parameters.display_text', {
    type: 'cta_url',
    body,
    action: { name: 'cta_url', parameters: { display_text: x(21), url: 'https://example.com' } },
  }),
  wrongInteractive('flow by id and by name', 'action.parameters', flow({ flow_name: 'f' })),
  wrongInteractive('flow of another version', 'action.parameters.flow_message_version', flow({ flow_message_version: '2' })),
  wrongInteractive(
    'flow that asks for data and has it',
    'action.parameters.flow_action_payload',
    flow({ flow_action: 'data_exchange', flow_action_payload: { screen: 'S' } }),
  ),
  wrongInteractive('product with a header', 'header', {
    type: 'product',
    header: { type: 'text', text: 'A' },
    action: { catalog_id: '1', product_retailer_id: 's' },
  }),
  wrongInteractive('product without a catalogue', 'action.catalog_id', { type: 'product', action: { product_retailer_id: 's' } }),
  wrongInteractive('product list without a header', 'header', productList({ header: undefined })),
  wrongInteractive(
    'product list of 31',
    'action.sections',
    productList({}, [
      { title: 'A', product_items: products(30) },
      { title: 'B', product_items: products(1) },
    ]),
  ),
  wrongInteractive('catalogue under another name', 'action.name', { type: 'catalog_message', body, action: { name: 'catalog' } }),
  wrongInteractive('location request under another name', 'action.name', { type: 'location_request_message', body, action: { name: 'location' } }),
  wrongInteractive('address request without a country', 'action.parameters.country', named('address_message', { parameters: {} })),
  wrongInteractive('call permission without words', 'body', { type: 'call_permission_request', action: { name: 'call_permission_request' } }),
  wrongInteractive('call button under another name', 'action.name', { type: 'voice_call', body, action: { name: 'call' } }),
  wrongInteractive('call button with a label of 21', 'action.parameters.display_text', named('voice_call', { parameters: { display_text: x(21) } }), {
    stricterHere: true,
  }),
  wrongInteractive('contact request under another name', 'action.name', { type: 'request_contact_info', body, action: { name: 'contact' } }),
  wrongInteractive('carousel of one', 'action.cards', carousel([card(0)])),
  wrongInteractive('carousel of eleven', 'action.cards', carousel(Array.from({ length: 11 }, (_, n) => card(n % 10)))),
  wrongInteractive('carousel in disorder', 'action.cards', carousel([card(1), card(0)])),
  wrongInteractive('carousel of two sorts', 'action.cards', carousel([card(0), productCard(1)]), { stricterHere: true }),
  wrongInteractive('carousel with a card of 161 characters', 'action.cards.1.body.text', carousel([card(0), { ...card(1), body: { text: x(161) } }])),
  wrongInteractive(
    'carousel with a text above a card',
    'action.cards.1.header.type',
    carousel([card(0), { ...card(1), header: { type: 'text', text: 'A' } }]),
  ),
]
