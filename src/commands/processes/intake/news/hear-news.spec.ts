import { describe, expect, it } from 'vitest'
import { glassVault } from '../../../../../tests/support/glass-vault.ts'
import { createMemoryEventStore } from '../../../../adapters/event-store/memory/event-store.ts'
import { alert, alertId, isOpen } from '../../../../domain/alert/alert.ts'
import { channel } from '../../../../domain/channel/channel.ts'
import type { NumberFacts } from '../../../../domain/channel/events.ts'
import type { CommandContext } from '../../../../domain/kernel/context.ts'
import { derivedId } from '../../../../domain/kernel/ids.ts'
import { start } from '../../../../domain/kernel/position.ts'
import { createRaiseAlert, createSettleAlert } from '../../../alerts/alerts.ts'
import { createCommands } from '../../../kernel/execute.ts'
import { translate } from '../meta/translate.ts'
import { createHearNews } from './hear-news.ts'

const tenantId = derivedId('tenant', 'ana')
const [sales, support] = [derivedId('channel', 'sales'), derivedId('channel', 'support')]
const noon = Date.UTC(2026, 9, 9, 12) / 1000
type Told = { readonly field: string; readonly value: object; readonly minute?: number; readonly entryId?: string; readonly undated?: true }

/** A tenant with two numbers on one account, and a third number on an account of its own. */
async function house() {
  const store = createMemoryEventStore()
  let appends = 0
  const counting: typeof store = {
    ...store,
    append(append) {
      appends++
      return store.append(append)
    },
  }
  const commands = createCommands({ store: counting, vault: glassVault })
  const context = (commandId: string): CommandContext => ({
    tenantId,
    actor: { kind: 'provider', id: 'meta' },
    commandId,
    correlationId: commandId,
    causationId: commandId,
    at: new Date(),
  })
  const ours = [
    { channelId: sales, phoneNumberId: '100', wabaId: 'waba', displayPhone: '+1 555-000-1111' },
    { channelId: support, phoneNumberId: '101', wabaId: 'waba', displayPhone: '+1 555-000-2222' },
    { channelId: derivedId('channel', 'other'), phoneNumberId: '102', wabaId: 'other', displayPhone: '+1 555-000-3333' },
  ]
  for (const { channelId, phoneNumberId, wabaId, displayPhone } of ours) {
    const facts = { displayPhone, qualityRating: 'GREEN', messagingLimit: 'TIER_10K' }
    const add = { type: 'add', name: 'Number', phoneNumberId, wabaId, accessToken: 't', connection: { verified: true, facts } } as const
    await commands.execute(channel, channelId, add, context(channelId))
  }
  const entries = ours.map((one) => ({ ...one, tenantId, name: 'Number', status: 'connected' as const, hook: undefined }))
  const hear = createHearNews({
    commands,
    vault: glassVault,
    directory: { channelsOf: () => entries },
    raiseAlert: createRaiseAlert({ commands }),
    settleAlert: createSettleAlert({ commands }),
  })
  let deliveries = 0
  return {
    commands,
    /** All of them in one page. Answers how many appends that took. */
    async tellAll(field: string, values: readonly object[]): Promise<number> {
      const before = appends
      const all = values.flatMap((value, n) =>
        translate({ entry: [{ id: 'waba', time: noon, changes: [{ field, value }] }] }, new Date(noon * 1_000)).flatMap((item) =>
          item.kind === 'news'
            ? [{ received: { tenantId, deliveryId: `page ${n}`, causationId: 'page', item }, context: context(derivedId('news', `page ${n}`)) }]
            : [],
        ),
      )
      await hear(all)
      return appends - before
    },
    async tell({ field, value, minute = 0, entryId = 'waba', undated }: Told) {
      const delivery = { entry: [{ id: entryId, ...(undated ? {} : { time: noon + minute * 60 }), changes: [{ field, value }] }] }
      const deliveryId = `delivery ${++deliveries}`
      for (const item of translate(delivery, new Date((noon + 3_600 + deliveries) * 1_000))) {
        if (item.kind !== 'news') throw new Error(`${field} is ${item.kind}`)
        const received = { tenantId, deliveryId, causationId: deliveryId, item }
        await hear([{ received, context: { ...context(derivedId('news', deliveryId, item.path)), at: new Date(item.at) } }])
      }
    },
    async facts(channelId: string): Promise<NumberFacts> {
      return (await commands.load(channel, tenantId, channelId)).state.facts
    },
    async log(...types: readonly string[]) {
      const found: { type: string; data: Record<string, unknown> }[] = []
      for await (const page of store.subscribe({ after: start, filter: { types }, signal: AbortSignal.timeout(2_000) })) {
        if (page.kind === 'caught-up') break
        found.push(...page.events.map(({ type, data }) => ({ type, data: { ...data } })))
      }
      return found
    },
    /** Codes of the alerts that are open. */
    async open() {
      const keys = new Set((await this.log('AlertRaised')).map(({ data }) => String(data['key'])))
      const all = await Promise.all([...keys].map(async (key) => ({ key, ...(await commands.load(alert, tenantId, alertId(tenantId, key))) })))
      return all.filter(({ state }) => isOpen(state)).map(({ key }) => key)
    },
  }
}

const shown = { display_phone_number: '15550001111' }
const metadata = { display_phone_number: '15550001111', phone_number_id: '100' }

type Row = readonly [what: string, field: string, value: object, follows: { facts?: NumberFacts; all?: NumberFacts; open?: readonly string[] }]
const rows: readonly Row[] = [
  [
    'a low quality',
    'phone_number_quality_update',
    { ...shown, event: 'FLAGGED' },
    { facts: { numberStatus: 'FLAGGED', qualityRating: 'RED' }, open: [`number_quality:${sales}`] },
  ],
  [
    'the end of it',
    'phone_number_quality_update',
    { ...shown, event: 'UNFLAGGED' },
    { facts: { numberStatus: 'CONNECTED', qualityRating: 'UNKNOWN' } },
  ],
  [
    'more throughput',
    'phone_number_quality_update',
    { ...shown, event: 'THROUGHPUT_UPGRADE', max_daily_conversations_per_business: 'TIER_100K' },
    { facts: { throughput: 'HIGH' }, all: { messagingLimit: 'TIER_100K' } },
  ],
  [
    'a first limit',
    'phone_number_quality_update',
    { ...shown, event: 'ONBOARDING', max_daily_conversations_per_business: 'TIER_10K' },
    { all: { messagingLimit: 'TIER_10K' } },
  ],
  [
    'an older form of the limit',
    'phone_number_quality_update',
    { ...shown, event: 'UPGRADE', current_limit: 'TIER_UNLIMITED', old_limit: 'TIER_10K' },
    { all: { messagingLimit: 'TIER_UNLIMITED' } },
  ],
  [
    'a lower limit',
    'phone_number_quality_update',
    { ...shown, event: 'DOWNGRADE', max_daily_conversations_per_business: 'TIER_2K' },
    { all: { messagingLimit: 'TIER_2K' }, open: [`messaging_limit_lowered:${sales}`, `messaging_limit_lowered:${support}`] },
  ],
  [
    'an approved name',
    'phone_number_name_update',
    { ...shown, decision: 'APPROVED', requested_verified_name: 'Casa Nueva', rejection_reason: null },
    { facts: { newNameStatus: 'APPROVED', nameStatus: 'APPROVED', verifiedName: 'Casa Nueva' } },
  ],
  [
    'a rejected name',
    'phone_number_name_update',
    { ...shown, decision: 'REJECTED', requested_verified_name: 'X', rejection_reason: 'NAME_NOT_CONSISTENT' },
    { facts: { newNameStatus: 'REJECTED' }, open: [`number_name_rejected:${sales}`] },
  ],
  [
    'a name that waits',
    'phone_number_name_update',
    { ...shown, decision: 'PENDING', requested_verified_name: 'X' },
    { facts: { newNameStatus: 'PENDING' } },
  ],
  [
    'a restriction',
    'account_update',
    { event: 'ACCOUNT_RESTRICTION', restriction_info: [{ restriction_type: 'RESTRICTED_BIZ_INITIATED_MESSAGING', expiration: 1760000000 }] },
    { open: ['account_restricted:waba'] },
  ],
  [
    'a violation',
    'account_update',
    { event: 'ACCOUNT_VIOLATION', violation_info: { violation_type: 'ADULT', remediation: 'Stop it.' } },
    { open: ['account_violation:waba:ADULT'] },
  ],
  [
    'a ban',
    'account_update',
    { event: 'DISABLED_UPDATE', ban_info: { waba_ban_state: 'DISABLE', waba_ban_date: 'April 17, 2025' } },
    { open: ['account_disabled:waba'] },
  ],
  [
    'a ban to come',
    'account_update',
    { event: 'DISABLED_UPDATE', ban_info: { waba_ban_state: 'SCHEDULE_FOR_DISABLE' } },
    { open: ['account_disabled:waba'] },
  ],
  ['a reinstatement', 'account_update', { event: 'DISABLED_UPDATE', ban_info: { waba_ban_state: 'REINSTATE' } }, {}],
  ['a deletion', 'account_update', { event: 'ACCOUNT_DELETED' }, { open: ['account_deleted:waba'] }],
  [
    'an offboarding',
    'account_update',
    { event: 'ACCOUNT_OFFBOARDED', disconnection_info: { reason: 'ACCOUNT_INACTIVE', initiated_by: 'META' } },
    { open: ['channel_offboarded:waba'] },
  ],
  [
    'a partner that left, named by its business',
    'account_update',
    { event: 'PARTNER_REMOVED', waba_info: { waba_id: 'waba', owner_business_id: 'b' } },
    { open: ['channel_offboarded:waba'] },
  ],
  [
    'an app that was uninstalled',
    'account_update',
    { event: 'PARTNER_APP_UNINSTALLED', waba_info: { waba_id: 'waba', partner_app_id: 'a' } },
    { open: ['channel_offboarded:waba'] },
  ],
  ['a partner that came', 'account_update', { event: 'PARTNER_ADDED', waba_info: { waba_id: 'waba' } }, {}],
  ['a country', 'account_update', { event: 'BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE', country: 'AR' }, {}],
  ['a price tier', 'account_update', { event: 'VOLUME_BASED_PRICING_TIER_UPDATE', volume_tier_info: { tier: '0:750000' } }, {}],
  ['an event that nobody knows', 'account_update', { event: 'SOMETHING_NEW', more: { deep: [1] } }, {}],
  [
    'an alert of Meta',
    'account_alerts',
    {
      entity_type: 'PHONE_NUMBER',
      entity_id: '100',
      alert_info: { alert_severity: 'CRITICAL', alert_status: 'ACTIVE', alert_type: 'OBA_REJECTED', alert_description: 'No' },
    },
    { open: [`provider_alert:${sales}:100 OBA_REJECTED`] },
  ],
  ['a rejected review', 'account_review_update', { decision: 'REJECTED' }, { open: ['account_review_rejected:waba'] }],
  ['an approved review', 'account_review_update', { decision: 'APPROVED' }, {}],
  [
    'a capability as a tier',
    'business_capability_update',
    { max_daily_conversations_per_business: 'TIER_UNLIMITED', max_phone_numbers_per_business: 20 },
    { all: { messagingLimit: 'TIER_UNLIMITED' } },
  ],
  [
    'a capability as a number',
    'business_capability_update',
    { max_daily_conversations_per_business: 2000 },
    { all: { messagingLimit: 'TIER_2K' }, open: [`messaging_limit_lowered:${sales}`, `messaging_limit_lowered:${support}`] },
  ],
  [
    'a capability of old',
    'business_capability_update',
    { max_daily_conversation_per_phone: -1, max_phone_numbers_per_business: 2 },
    { all: { messagingLimit: 'TIER_UNLIMITED' } },
  ],
  ['a changed PIN', 'security', { ...shown, event: 'PIN_CHANGED', requester: '61555822107539' }, { open: [`two_step_pin:${sales}`] }],
  ['a PIN to be reset', 'security', { ...shown, event: 'PIN_RESET_REQUEST' }, { open: [`two_step_pin:${sales}`] }],
  [
    'errors of a flow',
    'flows',
    { event: 'ENDPOINT_ERROR_RATE', flow_id: '6627390910605886', alert_state: 'ACTIVATED', error_rate: 14.28, threshold: 10, message: 'High' },
    { open: ['flow_health:waba:6627390910605886 ENDPOINT_ERROR_RATE'] },
  ],
  [
    'a flow that is stopped',
    'flows',
    { event: 'FLOW_STATUS_CHANGE', flow_id: '66', old_status: 'PUBLISHED', new_status: 'BLOCKED', message: 'Blocked' },
    { open: ['flow_stopped:waba:66'] },
  ],
  ['a flow that is published', 'flows', { event: 'FLOW_STATUS_CHANGE', flow_id: '66', old_status: 'DRAFT', new_status: 'PUBLISHED' }, {}],
  [
    'payments that need somebody',
    'payment_configuration_update',
    { configuration_name: 'main', provider_name: 'razorpay', status: 'Needs Testing' },
    { open: ['payment_configuration:waba:main'] },
  ],
  ['a username', 'business_username_updates', { ...shown, username: 'casa', status: 'approved' }, { facts: { username: 'casa' } }],
  ['a username by its other name', 'business_username_update', { ...shown, username: '@casa', status: 'approved' }, { facts: { username: 'casa' } }],
  ['a username that is only reserved', 'business_username_updates', { ...shown, username: 'casa', status: 'reserved' }, {}],
  [
    'settings of calls',
    'account_settings_update',
    {
      messaging_product: 'whatsapp',
      timestamp: String(noon),
      type: 'PHONE_NUMBER_SETTINGS',
      phone_number_settings: { phone_number_id: '100', calling: { status: 'ENABLED' } },
    },
    {},
  ],
  ['a solution of partners', 'partner_solutions', { event: 'SOLUTION_UPDATED', solution_id: '1', solution_status: 'ACTIVE' }, {}],
  ['a group', 'group_lifecycle_update', { metadata, groups: [{ timestamp: String(noon), group_id: 'g', type: 'group_create' }] }, {}],
  [
    'members of a group',
    'group_participants_update',
    {
      metadata,
      groups: [{ timestamp: String(noon), group_id: 'g', type: 'group_participants_add', added_participants: [{ wa_id: '15559998888' }] }],
    },
    {},
  ],
  [
    'settings of a group',
    'group_settings_update',
    { metadata, groups: [{ timestamp: String(noon), group_id: 'g', type: 'group_settings_update' }] },
    {},
  ],
  ['a suspended group', 'group_status_update', { metadata, groups: [{ timestamp: String(noon), group_id: 'g', type: 'group_suspend' }] }, {}],
  [
    'a call',
    'calls',
    { metadata, contacts: [{ wa_id: '15559998888' }], calls: [{ id: 'wacid.1', event: 'connect', from: '15559998888', timestamp: String(noon) }] },
    {},
  ],
  [
    'an automatic event',
    'automatic_events',
    { metadata, automatic_events: [{ id: 'w', event_name: 'Purchase', timestamp: String(noon), custom_data: { currency: 'USD', value: 9 } }] },
    {},
  ],
  [
    'a hand-over',
    'messaging_handovers',
    {
      sender: { phone_number: '15559998888' },
      recipient: { phone_number_id: '100' },
      type: 'control_passed',
      timestamp: String(noon),
      control_passed: { new_owner_role: 'marketing' },
    },
    {},
  ],
  [
    'copies for another partner',
    'standby',
    { metadata, standby: { messages: [{ from: '15559998888', id: 'wamid.S', type: 'text', text: { body: 'secret words' } }] } },
    {},
  ],
  ['a consumer profile', 'consumer_profile', { metadata, anything: ['goes'] }, {}],
  ['a field that nobody knows', 'tomorrow_update', { metadata, tomorrow: { deep: { er: [null, 1, 'x'] } } }, {}],
]

describe('a thousand clicks on a campaign', () => {
  const clicks = Array.from({ length: 1_000 }, (_, n) => ({ metadata: { phone_number_id: '100' }, user_actions: [{ click_id: `click ${n}` }] }))
  it('are kept in a few appends, each click once', async () => {
    const one = await house()
    expect(await one.tellAll('messages', clicks)).toBe(5)
    expect(await one.log('AccountNewsReceived')).toHaveLength(1_000)
    expect(await one.tellAll('messages', clicks.slice(500))).toBe(0)
  })
  it('do not hide the one piece of news among them that somebody has to know', async () => {
    const one = await house()
    await one.tellAll('account_update', [{ event: 'VERIFIED_ACCOUNT' }, { event: 'ACCOUNT_DELETED' }, { event: 'MM_LITE_TERMS_SIGNED' }])
    expect(await one.open()).toEqual(['account_deleted:waba'])
  })
})

describe('news of an account', () => {
  it.each(rows)('%s (%s) is kept, and what follows from it follows', async (_what, field, value, { facts = {}, all = {}, open = [] }) => {
    const here = await house()
    await here.tell({ field, value, ...('waba_info' in value ? { entryId: 'business' } : {}) })
    const kept = await here.log('AccountNewsReceived')
    expect(kept).toMatchObject([{ data: { field, wabaId: 'waba' } }])
    expect(await here.facts(sales)).toEqual({ ...(await before()), ...all, ...facts })
    expect(await here.facts(support)).toEqual({ ...(await before()), displayPhone: '+1 555-000-2222', ...all })
    expect(await here.open()).toEqual(open)
    const raised = await here.log('AlertRaised')
    for (const { data } of raised) expect(data).toMatchObject({ title: expect.stringMatching(/\S{3}/), detail: expect.stringMatching(/\S{2}/) })
  })

  it.each(rows)('%s (%s) told three times changes nothing the second and third time', async (_what, field, value) => {
    const here = await house()
    const types = ['AccountNewsReceived', 'ChannelNumberChanged', 'AlertRaised', 'AlertResolved'] as const
    await here.tell({ field, value })
    const once = await here.log(...types)
    await here.tell({ field, value })
    await here.tell({ field, value })
    expect(await here.log(...types)).toEqual(once)
  })

  it('that names no moment is known again by what it says', async () => {
    const here = await house()
    const value = { decision: 'REJECTED' }
    await here.tell({ field: 'account_review_update', value, undated: true })
    await here.tell({ field: 'account_review_update', value, undated: true })
    expect(await here.log('AccountNewsReceived')).toHaveLength(1)
  })

  it('keeps nothing readable of the people it names', async () => {
    const here = await house()
    await here.tell({ field: 'calls', value: { metadata, calls: [{ id: 'wacid.1', from: '15559998888' }] } })
    const [kept] = await here.log('AccountNewsReceived')
    // The glass vault shows its ciphertexts: what it sealed is the whole value, and nothing of it stands beside.
    expect(JSON.stringify({ ...kept?.data, value: undefined })).not.toContain('15559998888')
    expect(kept?.data['value']).toMatchObject({ sealed: expect.stringContaining('15559998888') })
  })

  it('of an account without a channel of ours is kept and touches no channel', async () => {
    const here = await house()
    await here.tell({ field: 'phone_number_quality_update', value: { ...shown, event: 'FLAGGED' }, entryId: 'unknown' })
    expect(await here.facts(sales)).toEqual(await before())
    expect(await here.open()).toEqual(['number_quality:unknown'])
  })

  it('that overtakes other news has the last word only if it is the latest', async () => {
    const flagged = { field: 'phone_number_quality_update', value: { ...shown, event: 'FLAGGED' }, minute: 1 }
    const unflagged = { field: 'phone_number_quality_update', value: { ...shown, event: 'UNFLAGGED' }, minute: 2 }
    for (const order of [
      [flagged, unflagged],
      [unflagged, flagged],
      [flagged, unflagged, flagged],
    ]) {
      const here = await house()
      for (const news of order) await here.tell(news)
      expect((await here.facts(sales)).qualityRating).toBe('UNKNOWN')
      expect(await here.open()).toEqual([])
    }
  })

  it('of a higher limit ends the alert of the lower one', async () => {
    const here = await house()
    await here.tell({ field: 'business_capability_update', value: { max_daily_conversations_per_business: 250 }, minute: 1 })
    expect(await here.open()).toHaveLength(2)
    await here.tell({ field: 'business_capability_update', value: { max_daily_conversations_per_business: 'TIER_10K' }, minute: 2 })
    expect(await here.open()).toEqual([])
  })
})

async function before(): Promise<NumberFacts> {
  return { displayPhone: '+1 555-000-1111', qualityRating: 'GREEN', messagingLimit: 'TIER_10K' }
}
