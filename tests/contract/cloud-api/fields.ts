/** Every webhook field beside `messages`, with the shapes its value may have, and the events that must come of it. */
export type FieldRow = {
  readonly field: string
  readonly name: string
  readonly value: Readonly<Record<string, unknown>>
  /** All of these, of the delivery. */
  readonly events: readonly string[]
  /** Phone-scoped: the test adds `metadata`. */
  readonly scoped?: true
  readonly entryId?: string
}

const news = ['AccountNewsReceived']
const of = (field: string, events: readonly string[], rows: Readonly<Record<string, Readonly<Record<string, unknown>>>>): readonly FieldRow[] =>
  Object.entries(rows).map(([name, value]) => ({ field, name, value, events }))
const scoped = (rows: readonly FieldRow[]): readonly FieldRow[] => rows.map((row) => ({ ...row, scoped: true }))

const template = (n: number) => ({
  message_template_id: 1_689_556_908_129_830 + n,
  message_template_name: `order_${n}`,
  message_template_language: 'en-US',
})
const display_phone_number = '15550001111'
const button = { message_template_button_type: 'URL', message_template_button_text: 'Open', message_template_button_url: 'https://x' }

const otherStatuses = ['ARCHIVED', 'UNARCHIVED', 'IN_APPEAL', 'LIMIT_EXCEEDED', 'PENDING', 'REINSTATED']

const templateFields: readonly FieldRow[] = [
  ...of('message_template_status_update', ['TemplateHeardOf'], {
    approved: { event: 'APPROVED', ...template(1), reason: 'NONE', message_template_category: 'UTILITY' },
    rejected: { event: 'REJECTED', ...template(2), reason: 'INVALID_FORMAT', rejection_info: { reason: 'x', recommendation: 'y' } },
    paused: { event: 'PAUSED', ...template(3), reason: null, other_info: { title: 'FIRST_PAUSE', description: 'd' } },
    disabled: { event: 'DISABLED', ...template(4), disable_info: { disable_date: 'x' } },
    'of a word that nobody knows': { event: 'TELEPORTED', ...template(5), reason: null },
  }),
  // Warnings: the template may be sent on.
  ...of('message_template_status_update', ['AlertRaised'], {
    flagged: { event: 'FLAGGED', ...template(13), reason: null },
    locked: { event: 'LOCKED', ...template(14), reason: null },
  }),
  // The end of a template that nobody here has is no news.
  ...of('message_template_status_update', [], {
    deleted: { event: 'DELETED', ...template(11), reason: 'NONE' },
    'about to be deleted': { event: 'PENDING_DELETION', ...template(12), reason: 'NONE' },
  }),
  ...otherStatuses.flatMap((event, n) =>
    of('message_template_status_update', ['TemplateHeardOf'], { [event.toLowerCase()]: { event, ...template(20 + n), reason: null } }),
  ),
  ...of('message_template_quality_update', ['TemplateHeardOf'], {
    worse: { previous_quality_score: 'GREEN', new_quality_score: 'RED', ...template(6) },
  }),
  ...of('message_template_components_update', ['TemplateHeardOf'], {
    changed: {
      ...template(7),
      message_template_element: 'Body',
      message_template_title: 'T',
      message_template_footer: 'F',
      message_template_buttons: [button],
    },
  }),
  ...of('template_category_update', ['TemplateHeardOf'], {
    completed: { ...template(8), previous_category: 'UTILITY', new_category: 'MARKETING' },
    impending: { ...template(9), correct_category: 'MARKETING', new_category: 'UTILITY', category_update_timestamp: 1760700000 },
  }),
  ...of('template_correct_category_detection', ['AlertRaised'], {
    detected: { ...template(10), category: 'UTILITY', correct_category: 'MARKETING' },
  }),
]

const accountUpdates: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ACCOUNT_DELETED: {},
  ACCOUNT_RESTRICTION: { restriction_info: [{ restriction_type: 'RESTRICTED_BIZ_INITIATED_MESSAGING', expiration: 1761000000, remediation: 'r' }] },
  ACCOUNT_VIOLATION: { violation_info: { violation_type: 'ALCOHOL', remediation: 'r' } },
  DISABLED_UPDATE: { ban_info: { waba_ban_state: 'SCHEDULE_FOR_DISABLE', waba_ban_date: 'April 17, 2026' } },
  AD_ACCOUNT_LINKED: {},
  MM_LITE_TERMS_SIGNED: {},
  PARTNER_CLIENT_CERTIFICATION_NEEDED: {},
  PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE: {},
  BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE: { country: 'CO' },
  AUTH_INTL_PRICE_ELIGIBILITY_UPDATE: {
    auth_international_rate_eligibility: { start_time: 1760000000, exception_countries: [{ country_code: 'IN', start_time: 1 }] },
  },
  VOLUME_BASED_PRICING_TIER_UPDATE: {
    volume_tier_info: { tier_update_time: 1760000000, pricing_category: 'UTILITY', tier: '100:200', effective_month: '2026-11', region: 'CO' },
  },
  ACCOUNT_OFFBOARDED: {},
  ACCOUNT_RECONNECTED: {},
  VERIFIED_ACCOUNT: {},
  TOMORROW: { tomorrow: { a: 1 } },
}
const waba_info = { owner_business_id: '900', partner_app_id: '901', solution_id: '902', solution_partner_business_ids: ['903'] }
const partnerUpdates: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  PARTNER_ADDED: {},
  PARTNER_REMOVED: { disconnection_info: { reason: 'ACCOUNT_DISCONNECTED', initiated_by: 'BUSINESS' } },
  PARTNER_APP_INSTALLED: {},
  PARTNER_APP_UNINSTALLED: {},
}

/** @param wabaId of the connected number: PARTNER_* updates come under the portfolio's id and name the account inside */
export const fieldRows = (wabaId: string, phoneNumberId: string): readonly FieldRow[] => [
  ...templateFields,
  ...of('phone_number_quality_update', news, {
    onboarding: { display_phone_number, event: 'ONBOARDING', max_daily_conversations_per_business: 'TIER_2K' },
    'throughput upgrade': { display_phone_number, event: 'THROUGHPUT_UPGRADE', max_daily_conversations_per_business: 'TIER_UNLIMITED' },
    flagged: { display_phone_number, event: 'FLAGGED', current_limit: 'TIER_1K', old_limit: 'TIER_10K' },
  }),
  ...of('phone_number_name_update', news, {
    approved: { display_phone_number, decision: 'APPROVED', requested_verified_name: 'Acme', rejection_reason: null },
    rejected: { display_phone_number, decision: 'REJECTED', requested_verified_name: 'Acme', rejection_reason: 'NAME_FORMAT_UNACCEPTABLE' },
  }),
  ...of('account_update', news, Object.fromEntries(Object.entries(accountUpdates).map(([event, more]) => [event, { event, ...more }]))),
  ...of(
    'account_update',
    news,
    Object.fromEntries(
      Object.entries(partnerUpdates).map(([event, more]) => [event, { event, ...more, waba_info: { ...waba_info, waba_id: wabaId } }]),
    ),
  ).map((row) => ({ ...row, entryId: '900' })),
  ...of('account_alerts', news, {
    'about the number': {
      entity_type: 'PHONE_NUMBER',
      entity_id: 123456,
      alert_info: { alert_severity: 'CRITICAL', alert_status: 'ACTIVE', alert_type: 'PROFILE_PICTURE_LOST', alert_description: 'd' },
    },
    'about the business': {
      entity_type: 'BUSINESS',
      entity_id: '900',
      alert_info: { alert_severity: 'INFORMATIONAL', alert_status: 'NONE', alert_type: 'OBA_APPROVED', alert_description: 'd' },
    },
  }),
  ...of('account_review_update', news, { approved: { decision: 'APPROVED' }, rejected: { decision: 'REJECTED' } }),
  ...of('business_capability_update', news, {
    'with a tier': { max_daily_conversations_per_business: 'TIER_10K', max_phone_numbers_per_business: 20, max_phone_numbers_per_waba: 20 },
    'with numbers, as it used to be': {
      max_daily_conversation_per_phone: -1,
      max_daily_conversations_per_business: 2000,
      max_phone_numbers_per_business: 2,
    },
  }),
  ...of('security', news, {
    'PIN changed': { display_phone_number, event: 'PIN_CHANGED', requester: '905' },
    'PIN reset asked for': { display_phone_number, event: 'PIN_RESET_REQUEST', requester: '905' },
    'PIN reset done': { display_phone_number, event: 'PIN_REQUEST_SUCCESS' },
  }),
  ...of('flows', news, {
    'status change': { event: 'FLOW_STATUS_CHANGE', flow_id: '77', message: 'm', old_status: 'DRAFT', new_status: 'PUBLISHED' },
    'endpoint errors': {
      event: 'ENDPOINT_ERROR_RATE',
      flow_id: '77',
      message: 'm',
      alert_state: 'ACTIVATED',
      threshold: 10,
      error_rate: 14.28,
      requests_count: 34,
      errors: [{ error_type: 'TIMEOUT', error_rate: 66.66, error_count: 2 }],
    },
    latency: {
      event: 'ENDPOINT_LATENCY',
      flow_id: '77',
      message: 'm',
      alert_state: 'DEACTIVATED',
      p50_latency: 1000,
      p90_latency: 5000,
      requests_count: 9,
    },
    availability: { event: 'ENDPOINT_AVAILABILITY', flow_id: '77', message: 'm', alert_state: 'ACTIVATED', availability: 75 },
  }),
  ...of('account_settings_update', news, {
    calling: {
      messaging_product: 'whatsapp',
      timestamp: '1760000000',
      type: 'PHONE_NUMBER_SETTINGS',
      phone_number_settings: { phone_number_id: phoneNumberId, calling: { status: 'ENABLED' } },
    },
  }),
  ...of('payment_configuration_update', news, {
    active: { configuration_name: 'c', provider_name: 'razorpay', provider_mid: 'm', status: 'Needs Testing', created_timestamp: 1760000000 },
  }),
  ...of('partner_solutions', news, {
    created: { event: 'SOLUTION_CREATED', solution_id: '902', solution_status: 'INITIATED', waba_info: { waba_id: wabaId } },
  }).map((row) => ({ ...row, entryId: '900' })),
  ...of('business_username_updates', news, {
    approved: { display_phone_number, username: 'acme', status: 'approved' },
    deleted: { display_phone_number, status: 'deleted' },
  }),
  ...of('business_username_update', news, { 'in the singular': { display_phone_number, username: 'acme', status: 'reserved' } }),
  ...of('messaging_handovers', news, {
    passed: {
      messaging_product: 'whatsapp',
      sender: { phone_number: '15550002222' },
      recipient: { phone_number_id: phoneNumberId, display_phone_number },
      type: 'control_passed',
      timestamp: '1760000000',
      control_passed: { previous_owner_role: 'ai_agent', new_owner_role: 'escalation', metadata: 'm' },
    },
  }),
  ...scoped([
    ...of('calls', news, {
      connect: {
        contacts: [{ wa_id: '15550002222', profile: { name: 'Ana' } }],
        calls: [
          {
            id: 'wacid.1',
            event: 'connect',
            direction: 'USER_INITIATED',
            from: '15550002222',
            to: display_phone_number,
            timestamp: '1760000000',
            session: { sdp_type: 'offer', sdp: 'v=0' },
          },
        ],
      },
      status: { statuses: [{ id: 'wacid.1', type: 'call', status: 'RINGING', timestamp: '1760000000', recipient_id: '15550002222' }] },
    }),
    ...of('group_lifecycle_update', news, {
      created: { groups: [{ timestamp: '1760000000', group_id: 'g', type: 'group_create', request_id: 'r' }] },
    }),
    ...of('group_participants_update', news, { added: { groups: [{ timestamp: '1760000000', group_id: 'g', type: 'group_participants_add' }] } }),
    ...of('group_settings_update', news, { changed: { groups: [{ timestamp: '1760000000', group_id: 'g', type: 'group_settings_update' }] } }),
    ...of('group_status_update', news, { suspended: { groups: [{ timestamp: '1760000000', group_id: 'g', type: 'group_suspend' }] } }),
    ...of('automatic_events', news, {
      purchase: {
        automatic_events: [{ id: 'e', event_name: 'Purchase', timestamp: 1760000000, ctwa_clid: 'c', custom_data: { currency: 'USD', value: 9 } }],
      },
    }),
    ...of('standby', news, {
      messages: {
        standby: { contacts: [{ wa_id: '15550002222' }], messages: [{ id: 'wamid.SB', from: '15550002222', type: 'text', text: { body: 'x' } }] },
      },
      echoes: { standby: { message_echoes: [{ id: 'wamid.SB2', timestamp: '1760000000', message: { to: '1', type: 'text' } }] } },
      statuses: { standby: { statuses: [{ id: 'wamid.SB', status: 'read' }] } },
    }),
    ...of('message_echoes', news, { 'undocumented shape': { message_echoes: [{ id: 'wamid.ME' }] } }),
    ...of('consumer_profile', news, { 'undocumented shape': { consumer_profile: { x: 1 } } }),
    ...of('user_preferences', ['ContactConsentChanged'], {
      stop: {
        contacts: [{ wa_id: '15550007001' }],
        user_preferences: [
          { wa_id: '15550007001', user_id: 'US.7001', detail: 'd', category: 'marketing_messages', value: 'stop', timestamp: 1760000000 },
        ],
      },
      'resume, by user id only': {
        user_preferences: [{ user_id: 'US.7002', detail: 'd', category: 'marketing_messages', value: 'resume', timestamp: 1760000000 }],
      },
    }),
    ...of('messages', news, {
      'with errors only': { errors: [{ code: 130429, title: 'Rate limit hit', message: 'm', error_data: { details: 'd' }, href: 'https://x' }] },
      'with clicks on marketing messages': {
        user_actions: [
          {
            action_type: 'marketing_messages_link_click',
            timestamp: '1760000000',
            marketing_messages_link_click_data: { click_component: 'cta', click_id: 'c' },
          },
        ],
      },
      'with a summary of the conversation': { conversation_context: { type: 'summary', summary: { text: 'x' } } },
    }),
  ]),
  ...of('field_of_tomorrow', news, { 'unknown to everybody': { tomorrow: [1, { a: null }] } }),
]
