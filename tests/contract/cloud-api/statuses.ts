/** Every shape of a status, about a message that stands as sent before it comes. */
export type StatusRow = {
  readonly name: string
  readonly statuses: readonly Readonly<Record<string, unknown>>[]
  readonly shown: Readonly<Record<string, unknown>>
  /** Without the card of the customer. */
  readonly bare?: true
}

const pricing = { billable: true, pricing_model: 'PMP', type: 'regular', category: 'utility' }
const windowClosed = {
  code: 131047,
  title: 'Re-engagement message',
  message: 'Re-engagement message',
  error_data: { details: 'More than 24 hours have passed' },
  href: 'https://developers.facebook.com/',
}
const history = (...statuses: string[]): object => ({ status_history: statuses.map((status) => ({ status })) })
const group = { recipient_id: 'group-1', recipient_type: 'group' }

export const statusRows: readonly StatusRow[] = [
  { name: 'sent', statuses: [{ status: 'sent' }], shown: { status: 'sent' } },
  { name: 'delivered, with what it costs', statuses: [{ status: 'delivered', pricing }], shown: { status: 'delivered' } },
  { name: 'read without delivered', statuses: [{ status: 'read' }], shown: { status: 'read' } },
  {
    name: 'played',
    statuses: [{ status: 'delivered' }, { status: 'played' }],
    shown: { status: 'played', ...history('sent', 'delivered', 'played') },
  },
  { name: 'sent after delivered', statuses: [{ status: 'delivered' }, { status: 'sent' }], shown: { status: 'delivered' } },
  {
    name: 'failed',
    bare: true,
    statuses: [{ status: 'failed', errors: [windowClosed] }],
    shown: { status: 'failed', error: { code: 'provider_131047', provider_error: windowClosed } },
  },
  {
    name: 'failed for several reasons',
    bare: true,
    statuses: [{ status: 'failed', errors: [windowClosed, { code: 131000, title: 'Something went wrong' }] }],
    shown: { status: 'failed', error: { code: 'provider_131047' } },
  },
  { name: 'failed without a reason', bare: true, statuses: [{ status: 'failed' }], shown: { status: 'failed' } },
  {
    name: 'failed after delivered, which does not demote',
    statuses: [{ status: 'delivered' }, { status: 'failed', errors: [windowClosed] }],
    shown: { status: 'delivered' },
  },
  {
    name: 'with a recipient whose phone is hidden',
    statuses: [{ status: 'delivered', recipient_id: undefined, recipient_user_id: 'US.1349', recipient_parent_user_id: 'US.ENT.1' }],
    shown: { status: 'delivered' },
  },
  {
    name: 'with the older spelling of the parent user id',
    statuses: [{ status: 'read', parent_recipient_user_id: 'US.ENT.1' }],
    shown: { status: 'read' },
  },
  {
    name: 'with a conversation, as of Graph v23',
    statuses: [{ status: 'sent', conversation: { id: 'c', expiration_timestamp: '1760600000', origin: { type: 'service' } }, pricing }],
    shown: { status: 'sent' },
  },
  {
    name: 'with the price inside the conversation, as groups have it',
    statuses: [{ status: 'delivered', ...group, conversation: { id: 'c', pricing: { ...pricing, category: 'group_utility' } } }],
    shown: { status: 'delivered' },
  },
  {
    name: 'of the participants of a group, the furthest of which counts',
    statuses: [
      { status: 'delivered', ...group, recipient_participant_id: '15550003301' },
      { status: 'read', ...group, recipient_participant_id: '15550003302' },
      { status: 'delivered', ...group, participant_recipient_id: '15550003303' },
    ],
    shown: { status: 'read' },
  },
  {
    name: 'with a template id and an identity hash',
    statuses: [{ status: 'sent', template_id: 7, recipient_identity_key_hash: 'h' }],
    shown: { status: 'sent' },
  },
  { name: 'with a moment as a number', statuses: [{ status: 'read', timestamp: 1760000123 }], shown: { status: 'read' } },
  {
    name: 'of a word that nobody knows, which changes nothing',
    statuses: [{ status: 'delivered' }, { status: 'teleported' }],
    shown: { status: 'delivered' },
  },
  { name: 'deleted', statuses: [{ status: 'delivered' }, { status: 'deleted' }], shown: { status: 'delivered' } },
  { name: 'warning', statuses: [{ status: 'delivered' }, { status: 'warning' }], shown: { status: 'delivered' } },
]
