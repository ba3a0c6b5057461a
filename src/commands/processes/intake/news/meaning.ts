import type { AlertCode, Severity } from '../../../../domain/alert/codes.ts'
import type { NumberFacts } from '../../../../domain/channel/events.ts'
import { fieldIn, listIn, textIn, tierIn } from './read.ts'

/** What a piece of news means for us. Without any of these it is kept and nothing follows from it. */
export type Meaning = {
  /** Facts of the one number that the news are about. */
  readonly number?: NumberFacts
  /** Facts of every number of the account. */
  readonly account?: NumberFacts
  readonly raise?: readonly Trouble[]
  readonly settle?: readonly Named[]
}
/** `which` tells two troubles of one code apart where the account or number does not: a flow, a payment configuration. */
type Named = { readonly code: AlertCode; readonly which?: string | undefined }
export type Trouble = Named & { readonly severity: Severity; readonly title: string; readonly detail?: string | undefined }

const silent: Meaning = {}

/** The fields from which something follows. All others, also those that nobody has heard of yet, are kept as news. */
const meanings: Readonly<Record<string, (value: unknown) => Meaning>> = {
  phone_number_quality_update: numberQuality,
  phone_number_name_update: numberName,
  account_update: accountUpdate,
  account_alerts: accountAlert,
  account_review_update: accountReview,
  business_capability_update: (value) => limitOf(value),
  security,
  flows,
  payment_configuration_update: payments,
  business_username_update: username,
  business_username_updates: username,
}

/** Pure and total: a value of any shape means something or nothing. */
export const meaningOf = (field: string, value: unknown): Meaning => (Object.hasOwn(meanings, field) ? (meanings[field]?.(value) ?? silent) : silent)

function limitOf(value: unknown): Meaning {
  const messagingLimit =
    tierIn(value, 'max_daily_conversations_per_business') ?? tierIn(value, 'current_limit') ?? tierIn(value, 'max_daily_conversation_per_phone')
  return messagingLimit === undefined ? silent : { account: { messagingLimit } }
}

function numberQuality(value: unknown): Meaning {
  const limit = limitOf(value)
  switch (textIn(value, 'event')) {
    case 'FLAGGED':
      return {
        ...limit,
        number: { numberStatus: 'FLAGGED', qualityRating: 'RED' },
        raise: [
          {
            code: 'number_quality',
            severity: 'warning',
            title: 'Meta flagged the number for low quality',
            detail: 'Too many people blocked or reported its messages. Send less and to people who asked for it; the limit may be lowered otherwise.',
          },
        ],
      }
    case 'UNFLAGGED':
      // Meta does not say what the rating is now; the next look at the number will.
      return { ...limit, number: { numberStatus: 'CONNECTED', qualityRating: 'UNKNOWN' }, settle: [{ code: 'number_quality' }] }
    case 'THROUGHPUT_UPGRADE':
      return { ...limit, number: { throughput: 'HIGH' } }
    default:
      return limit
  }
}

function numberName(value: unknown): Meaning {
  const decision = textIn(value, 'decision')
  const name = textIn(value, 'requested_verified_name')
  if (decision === undefined) return silent
  if (decision === 'APPROVED') {
    return {
      number: { newNameStatus: decision, nameStatus: decision, ...(name === undefined ? {} : { verifiedName: name }) },
      settle: [{ code: 'number_name_rejected' }],
    }
  }
  const number = { newNameStatus: decision }
  if (decision !== 'REJECTED') return { number }
  const reason = textIn(value, 'rejection_reason')
  const detail = `Meta did not accept ${name === undefined ? 'the display name' : `"${name}"`}${reason === undefined ? '' : ` (${reason})`}. Ask for another one in WhatsApp Manager.`
  return { number, raise: [{ code: 'number_name_rejected', severity: 'warning', title: 'Meta rejected the display name', detail }] }
}

const accountQuality = 'See Account Quality in Meta Business Manager; there you can also ask for a review.'
const sentence = (parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined && part !== '').join(' ')

function accountUpdate(value: unknown): Meaning {
  const event = textIn(value, 'event') ?? ''
  switch (event) {
    case 'ACCOUNT_RESTRICTION': {
      const restrictions = listIn(value, 'restriction_info').map((one) => {
        const until = untilIn(one)
        return `${textIn(one, 'restriction_type') ?? 'restriction'}${until === undefined ? '' : ` until ${until}`}`
      })
      const remedies = listIn(value, 'restriction_info').map((one) => textIn(one, 'remediation'))
      const detail = sentence([`${restrictions.join(', ')}.`, ...remedies, accountQuality])
      return { raise: [{ code: 'account_restricted', severity: 'critical', title: 'Meta restricts the account', detail }] }
    }
    case 'ACCOUNT_VIOLATION': {
      const kind = textIn(value, 'violation_info', 'violation_type')
      const detail = sentence([kind === undefined ? undefined : `${kind}.`, textIn(value, 'violation_info', 'remediation'), accountQuality])
      return { raise: [{ code: 'account_violation', severity: 'warning', title: 'Meta recorded a violation of its policies', detail, which: kind }] }
    }
    case 'DISABLED_UPDATE':
      return disabled(value)
    case 'ACCOUNT_DELETED':
      return {
        raise: [
          {
            code: 'account_deleted',
            severity: 'critical',
            title: 'The WhatsApp account was deleted at Meta',
            detail: 'Nothing can be sent or received through it any more. Remove its channels, or connect another account.',
          },
        ],
      }
    case 'ACCOUNT_OFFBOARDED':
    case 'PARTNER_REMOVED':
    case 'PARTNER_APP_UNINSTALLED': {
      const reason = textIn(value, 'disconnection_info', 'reason')
      const by = textIn(value, 'disconnection_info', 'initiated_by')
      const why = sentence([reason, by === undefined ? undefined : `(by ${by})`])
      const detail = `Meta says ${event}${why === '' ? '' : `: ${why}`}. Connect the number again; with the WhatsApp Business app, open the app on the phone first.`
      return { raise: [{ code: 'channel_offboarded', severity: 'critical', title: 'The account was disconnected from this app', detail }] }
    }
    case 'ACCOUNT_RECONNECTED':
    case 'PARTNER_ADDED':
    case 'PARTNER_APP_INSTALLED':
      return { settle: [{ code: 'channel_offboarded' }] }
    default:
      return silent
  }
}

function disabled(value: unknown): Meaning {
  const state = textIn(value, 'ban_info', 'waba_ban_state')
  const date = textIn(value, 'ban_info', 'waba_ban_date')
  const on = date === undefined ? '' : ` (${date})`
  if (state === 'REINSTATE') return { settle: [{ code: 'account_disabled' }, { code: 'account_restricted' }] }
  const title = state === 'SCHEDULE_FOR_DISABLE' ? 'Meta is going to disable the account' : 'Meta disabled the account'
  return { raise: [{ code: 'account_disabled', severity: 'critical', title, detail: `${title}${on}. ${accountQuality}` }] }
}

/** Restrictions carry their end as a number of Unix seconds, or as text. */
function untilIn(restriction: unknown): string | undefined {
  const end = fieldIn(restriction, 'expiration')
  if (typeof end === 'number' && end > 0 && end < 100_000_000_000) return new Date(end * 1_000).toISOString().slice(0, 16)
  return textIn(restriction, 'expiration')
}

const severities: Readonly<Record<string, Severity>> = { CRITICAL: 'critical', WARNING: 'warning', INFORMATIONAL: 'info' }
const ended: ReadonlySet<string> = new Set(['RESOLVED', 'CLOSED', 'INACTIVE', 'DEACTIVATED', 'DISMISSED'])

function accountAlert(value: unknown): Meaning {
  // The documentation nests these under `alert_info`; some examples do not.
  const said = (name: string): string | undefined => textIn(value, 'alert_info', name) ?? textIn(value, name)
  const type = said('alert_type') ?? 'UNKNOWN'
  const which = sentence([textIn(value, 'entity_id'), type])
  if (ended.has(said('alert_status')?.toUpperCase() ?? '')) return { settle: [{ code: 'provider_alert', which }] }
  const severity = severities[said('alert_severity') ?? ''] ?? 'warning'
  return { raise: [{ code: 'provider_alert', severity, title: `Meta: ${wordsOf(type)}`, detail: said('alert_description'), which }] }
}

const wordsOf = (constant: string): string => constant.toLowerCase().replaceAll('_', ' ')

function accountReview(value: unknown): Meaning {
  const decision = textIn(value, 'decision')
  if (decision === 'APPROVED') return { settle: [{ code: 'account_review_rejected' }] }
  if (decision !== 'REJECTED') return silent
  return {
    raise: [{ code: 'account_review_rejected', severity: 'critical', title: 'Meta rejected the account in its review', detail: accountQuality }],
  }
}

const pinNews: Readonly<Record<string, string>> = {
  PIN_CHANGED: 'The two-step PIN of the number was changed',
  PIN_RESET_REQUEST: 'Somebody asked to reset the two-step PIN of the number',
  PIN_REQUEST_SUCCESS: 'The two-step PIN of the number was reset',
}

function security(value: unknown): Meaning {
  const event = textIn(value, 'event') ?? ''
  const title = Object.hasOwn(pinNews, event) ? pinNews[event] : undefined
  if (title === undefined) return silent
  const detail = 'If it was one of you, close this alert. If not, see who has access in Meta Business settings and set a new PIN in WhatsApp Manager.'
  return { raise: [{ code: 'two_step_pin', severity: 'warning', title, detail }] }
}

function flows(value: unknown): Meaning {
  const event = textIn(value, 'event') ?? ''
  const flow = textIn(value, 'flow_id') ?? 'unknown'
  const message = textIn(value, 'message')
  if (event === 'FLOW_STATUS_CHANGE') {
    const status = textIn(value, 'new_status')
    if (status === 'PUBLISHED') return { settle: [{ code: 'flow_stopped', which: flow }] }
    if (status !== 'BLOCKED' && status !== 'THROTTLED') return silent
    const title = status === 'BLOCKED' ? `Meta blocked the flow ${flow}` : `Meta throttles the flow ${flow}`
    return { raise: [{ code: 'flow_stopped', severity: 'critical', title, detail: message, which: flow }] }
  }
  const which = `${flow} ${event}`
  if (textIn(value, 'alert_state') === 'DEACTIVATED') return { settle: [{ code: 'flow_health', which }] }
  if (textIn(value, 'alert_state') !== 'ACTIVATED') return silent
  return {
    raise: [{ code: 'flow_health', severity: 'warning', title: `Flow ${flow}: ${wordsOf(event)} is too high or too low`, detail: message, which }],
  }
}

function payments(value: unknown): Meaning {
  const which = textIn(value, 'configuration_name')
  const status = textIn(value, 'status')
  if (status === undefined) return silent
  if (status.toLowerCase() === 'active') return { settle: [{ code: 'payment_configuration', which }] }
  const title = `The payment configuration ${which ?? ''} is not active`.replaceAll(/ +/g, ' ')
  return {
    raise: [{ code: 'payment_configuration', severity: 'warning', title, detail: `Meta says: ${status}. Finish it in WhatsApp Manager.`, which }],
  }
}

function username(value: unknown): Meaning {
  const name = textIn(value, 'username')
  const status = textIn(value, 'status')
  // A reserved name is not in use yet.
  if (status === 'deleted') return { number: { username: '' } }
  return status === 'reserved' || name === undefined ? silent : { number: { username: name.replace(/^@/, '') } }
}
