export type Severity = 'critical' | 'warning' | 'info'

/**
 * Every `code` that an alert may carry: when it is raised, and what ends it. Codes are a promise to clients: add, never rename.
 * docs/reference/alerts.md is generated from this table.
 */
export const alertCodes = {
  // Channels
  channel_credentials: [
    'critical',
    'Meta refuses the credentials of a channel; nothing can be sent through it.',
    'The channel connects again: new access token, or a good test.',
  ],
  channel_blocked: [
    'critical',
    'Meta refuses what a channel sends until somebody changes something there: payment, registration, a lock. Or it takes messages and reports that it will not deliver them for that reason.',
    'Messages go out again; where reports told of it, one is delivered.',
  ],
  channel_webhooks: [
    'warning',
    'Meta could not be told where to send the webhooks of a channel with an app of its own.',
    'The channel is connected again and Meta accepts the address.',
  ],
  channel_offboarded: [
    'critical',
    'The account was taken away from this app (`ACCOUNT_OFFBOARDED`, `PARTNER_REMOVED`, `PARTNER_APP_UNINSTALLED`): a phone was unused too long, or somebody disconnected it.',
    'Meta says that the account is connected again.',
  ],
  rate_limited: ['warning', 'A limit of Meta is reached; messages wait and go out more slowly.', 'Messages go out again.'],
  number_quality: ['warning', 'Meta flagged a number because its quality is low.', 'Meta takes the flag back.'],
  messaging_limit_lowered: ['warning', 'The account may write to fewer people a day than before.', 'Meta raises the limit again.'],
  number_name_rejected: ['warning', 'Meta rejected the display name asked for.', 'Meta approves a display name.'],
  two_step_pin: ['warning', 'The two-step PIN of a number was changed, or somebody asked to reset it.', 'A person says that it was as it should be.'],

  // Accounts
  account_restricted: ['critical', 'Meta restricts what the account may do.', 'Meta reinstates the account, or a person closes it.'],
  account_violation: ['warning', 'Meta recorded a violation of its policies.', 'A person closes it.'],
  account_disabled: ['critical', 'Meta disabled the account or announced it.', 'Meta reinstates the account.'],
  account_deleted: ['critical', 'The account was deleted at Meta.', 'A person closes it.'],
  account_review_rejected: ['critical', 'Meta reviewed the account and rejected it.', 'A later review approves it.'],
  payment_configuration: ['warning', 'A payment configuration needs somebody.', 'Meta says that it is active.'],
  provider_alert: ['info', 'Meta sent an alert of its own (`account_alerts`); the severity is that of Meta.', 'A person closes it.'],

  // Flows
  flow_health: ['warning', 'Meta measures errors or slowness of a flow or its endpoint.', 'Meta says that it is over.'],
  flow_stopped: ['critical', 'Meta blocked or throttled a flow.', 'The flow is published again.'],

  // Templates
  template_rejected: ['warning', 'Meta rejected a template.', 'It is approved.'],
  template_paused: ['warning', 'Meta paused a template for low quality.', 'It may be sent again.'],
  template_disabled: ['critical', 'Meta disabled a template.', 'It may be sent again.'],
  template_flagged: ['warning', 'A template is close to being paused.', 'Its quality recovers.'],
  template_category: ['warning', 'Meta changed the category of a template, or announced it: it may cost something else.', 'A person closes it.'],

  // Ourselves
  projection_parked: [
    'warning',
    'A read model cannot apply an event; what it shows of that row stands still, and nothing else does.',
    'No event of it is parked any more: they were tried again, or discarded.',
  ],
} as const satisfies Record<string, readonly [severity: Severity, raised: string, resolved: string]>

export type AlertCode = keyof typeof alertCodes

/** docs/reference/alerts.md. */
export function renderAlertsReference(): string {
  const rows = Object.entries(alertCodes).map(([code, [severity, raised, resolved]]) => `| \`${code}\` | ${severity} | ${raised} | ${resolved} |`)
  return `${[
    '# Alerts',
    '',
    'What a person of the organisation should look at: `GET /v1/alerts`, and `alert.raised` in the live feed. The same trouble is one alert, however often it is',
    'noticed; it is resolved by what ends it, or by a person with `POST /v1/alerts/{id}/resolve`. Generated from `src/domain/alert/codes.ts`.',
    '',
    '| Code | Severity (usual) | Raised when | Resolved when |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`
}
