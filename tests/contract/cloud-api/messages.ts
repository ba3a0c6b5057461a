/**
 * Every shape in which Meta delivers a customer's message, and what a client of the query API must see of it.
 * `message` lacks its id, moment and sender, which the test adds; `shown` is what `GET /v1/messages/{id}` must contain.
 */
export type MessageRow = {
  readonly name: string
  readonly message: Readonly<Record<string, unknown>>
  readonly shown: Readonly<Record<string, unknown>>
  /** Siblings of `messages` in the value. */
  readonly value?: Readonly<Record<string, unknown>>
  /** How the sender is named, where it is not by phone and user id. */
  readonly from?: 'phone only' | 'user id only'
  /** Must not be there. */
  readonly absent?: readonly string[]
}

const business = '15550001111'
const reply = { context: { from: business, id: 'wamid.OUT' } }
const repliesTo = { reply_to: { provider_id: 'wamid.OUT' } }
const unknownType = { code: 131051, title: 'Message type unknown', message: 'Message type unknown', error_data: { details: 'Not supported.' } }
const unavailable = { code: 131060, title: 'This message is currently unavailable.' }

/** Shown under its own name, exactly as Meta described it. */
const plain = (name: string, type: string, object: unknown, more: Partial<MessageRow> = {}): MessageRow => ({
  name,
  message: { type, [type]: object },
  shown: { type, direction: 'inbound', status: 'received', content: { [type]: object } },
  ...more,
})

const file = (name: string, type: string, object: Readonly<Record<string, unknown>>): MessageRow => ({
  ...plain(name, type, object),
  shown: { type, content: { [type]: object }, media: { mime_type: object['mime_type'] } },
})

const answer = (name: string, interactive: Readonly<Record<string, unknown>>, seen: unknown = interactive): MessageRow => ({
  name,
  message: { ...reply, type: 'interactive', interactive },
  shown: { type: 'interactive', content: { interactive: seen }, ...repliesTo },
})

const sibling = (name: string, more: Readonly<Record<string, unknown>>, shown: Readonly<Record<string, unknown>>): MessageRow => ({
  name,
  message: { type: 'text', text: { body: 'Info?' }, ...more },
  shown: { type: 'text', ...shown },
})

const url = 'https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=9001&source=webhook&ext=1&hash=x'
const referral = {
  source_url: 'https://fb.me/x',
  source_id: '120',
  source_type: 'ad',
  headline: 'H',
  body: 'B',
  media_type: 'image',
  image_url: 'https://x',
  ctwa_clid: 'Aff',
  welcome_message: { text: 'Hello' },
}
const wholeContact = {
  name: { formatted_name: 'Jo Doe', first_name: 'Jo' },
  phones: [{ phone: '+1 555', wa_id: '1555', type: 'CELL' }],
  emails: [],
  addresses: [],
  org: { company: 'X' },
  urls: [],
  birthday: '1990-01-01',
  origin: 'other',
  vcard: 'BEGIN:VCARD',
}

export const messageRows: readonly MessageRow[] = [
  plain('text', 'text', { body: 'Hi' }),
  plain('text of emoji, quotes and every script', 'text', { body: '👋🏽 "¡Olá!" \\ / é 日本語 العربية \u2028' }),
  plain('text from a sender with a hidden phone', 'text', { body: 'Hi' }, { from: 'user id only' }),
  plain('text from a sender without a user id', 'text', { body: 'Hi' }, { from: 'phone only' }),

  file('image with a url', 'image', { id: '9001', mime_type: 'image/jpeg', sha256: 'b64=', caption: 'opt', url }),
  file('image without a url or caption', 'image', { id: '9011', mime_type: 'image/png', sha256: 'b64=' }),
  file('video', 'video', { id: '9002', mime_type: 'video/mp4', sha256: 'b64=', caption: 'opt' }),
  file('voice note', 'audio', { id: '9003', mime_type: 'audio/ogg; codecs=opus', sha256: 'b64=', voice: true }),
  file('audio file', 'audio', { id: '9013', mime_type: 'audio/mpeg', sha256: 'b64=', voice: false }),
  file('document', 'document', { id: '9004', mime_type: 'application/pdf', sha256: 'b64=', filename: 'a.pdf', caption: 'opt' }),
  file('document of a type that no table lists', 'document', { id: '9014', mime_type: 'application/x-tomorrow', filename: 'b.bin' }),
  file('sticker', 'sticker', { id: '9005', mime_type: 'image/webp', sha256: 'b64=', animated: false }),

  plain('location with a name', 'location', { latitude: 4.61, longitude: -74.08, name: 'opt', address: 'opt', url: 'opt' }),
  plain('location without a name', 'location', { latitude: -33.45, longitude: -70.66 }),
  plain('contact card', 'contacts', [wholeContact]),
  plain('contact card without a name', 'contacts', [{ phones: [{ phone: '+1 555' }] }]),
  plain('contact card that answers our request for the number', 'contacts', [{ ...wholeContact, origin: 'contact_request' }]),

  answer('tap on a reply button', { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } }),
  answer('choice from a list', { type: 'list_reply', list_reply: { id: 'r1', title: 'Row', description: 'opt' } }),
  answer('choice from a list without a description', { type: 'list_reply', list_reply: { id: 'r1', title: 'Row' } }),
  answer(
    'answer of a flow, parsed beside the text it came as',
    { type: 'nfm_reply', nfm_reply: { name: 'flow', body: 'Sent', response_json: '{"flow_token":"t","x":"1"}' } },
    { type: 'nfm_reply', nfm_reply: { response_json: '{"flow_token":"t","x":"1"}', response: { flow_token: 't', x: '1' } } },
  ),
  answer(
    'address that somebody filled in, without a flow token',
    { type: 'nfm_reply', nfm_reply: { name: 'address_message', body: 'CRR', response_json: '{"values":{"city":"Pune"}}' } },
    { nfm_reply: { name: 'address_message', response: { values: { city: 'Pune' } } } },
  ),
  answer('answer of a flow that is not JSON', { type: 'nfm_reply', nfm_reply: { name: 'flow', body: 'Sent', response_json: '{no' } }),
  answer('permission to call', {
    type: 'call_permission_reply',
    call_permission_reply: { response: 'accept', is_permanent: false, expiration_timestamp: '1760600000', response_source: 'user_action' },
  }),
  answer('answer of an interactive kind nobody knows', { type: 'hologram_reply', hologram_reply: { wave: true } }),
  {
    name: 'tap on a quick reply of a template',
    message: { context: { from: business, id: 'wamid.TPL' }, type: 'button', button: { payload: 'OPT_OUT', text: 'Stop' } },
    shown: { type: 'button', content: { button: { payload: 'OPT_OUT', text: 'Stop' } }, reply_to: { provider_id: 'wamid.TPL' } },
  },
  plain('order with a decimal price', 'order', {
    catalog_id: '77',
    text: 'opt',
    product_items: [{ product_retailer_id: 'sku1', quantity: 2, item_price: 7.99, currency: 'USD' }],
  }),
  plain('system: the security code of the customer changed', 'system', { type: 'customer_identity_changed', body: 'A changed' }),

  {
    name: 'unsupported with its kind',
    message: { type: 'unsupported', unsupported: { type: 'poll_creation' }, errors: [unknownType] },
    shown: { type: 'unsupported', content: { unsupported: { type: 'poll_creation' }, errors: [unknownType] } },
  },
  {
    name: 'unsupported without its kind',
    message: { type: 'unsupported', errors: [unknownType] },
    shown: { type: 'unsupported', content: { errors: [unknownType] } },
  },
  {
    name: 'unavailable at the moment: the first message on a coexistence number (131060)',
    message: { type: 'unsupported', errors: [unavailable] },
    shown: { type: 'unsupported', content: { errors: [unavailable] } },
  },
  {
    name: 'interactive without its body, with the error beside it in the value',
    message: { ...reply, type: 'interactive' },
    value: { errors: [{ code: 131000, title: 'Unsupported webhook payload' }] },
    shown: { type: 'interactive', content: { errors: [{ code: 131000, title: 'Unsupported webhook payload' }] }, ...repliesTo },
  },
  {
    name: 'of a type that nobody knows',
    message: { type: 'hologram', hologram: { frames: 7 } },
    shown: { type: 'hologram', content: { hologram: { frames: 7 } }, raw: { type: 'hologram', hologram: { frames: 7 } } },
  },
  {
    name: 'with fields that nobody knows',
    message: { type: 'text', text: { body: 'x', tomorrow: 1 }, from_logical_id: '9', tomorrow: { a: [1] } },
    shown: { type: 'text', content: { text: { body: 'x', tomorrow: 1 } }, raw: { tomorrow: { a: [1] } } },
  },
  sibling('reply', reply, repliesTo),
  { ...sibling('forwarded message', { context: { forwarded: true } }, { content: { context: { forwarded: true } } }), absent: ['reply_to'] },
  sibling('message forwarded many times', { context: { frequently_forwarded: true } }, { content: { context: { frequently_forwarded: true } } }),
  sibling(
    'question about a product',
    { context: { from: business, id: 'wamid.OUT', referred_product: { catalog_id: '7', product_retailer_id: 'sku' } } },
    { ...repliesTo, content: { context: { referred_product: { catalog_id: '7', product_retailer_id: 'sku' } } } },
  ),
  sibling('reply to nothing that is named', { context: { from: business } }, { content: { text: { body: 'Info?' } } }),
  sibling('from an advertisement', { referral }, { content: { referral } }),
  sibling(
    'from a video advertisement in a status, without a click id',
    { referral: { source_type: 'post', source_id: '1', video_url: 'https://v', thumbnail_url: 'https://t', ref: 'r' } },
    { content: { referral: { source_type: 'post', video_url: 'https://v', ref: 'r' } } },
  ),
  sibling(
    'with the identity of the sender',
    { identity: { acknowledged: true, hash: 'h' } },
    { content: { identity: { acknowledged: true, hash: 'h' } } },
  ),
]
