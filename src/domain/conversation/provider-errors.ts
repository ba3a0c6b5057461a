/**
 * What an error of Meta means for a message. Branch on the code only: HTTP status, title and subcode vary between versions.
 * Meta publishes no retry column, so the classes are our judgement of its remediation texts.
 */
export type ErrorClass =
  /** Trouble on Meta's side: try again with growing pauses. */
  | 'retry'
  /** We were too fast for the number, the account or the app: slow the whole channel down, then go on. */
  | 'backoff'
  /** Too many messages to this one person: wait 4^n seconds for the pair, let others pass. */
  | 'pair_limit'
  /** Meta spares this person marketing messages for now: not before 24 hours, and not automatically. */
  | 'wait_24h'
  /** The request or the recipient is such that a repeat ends the same way. */
  | 'never'
  /** The token is invalid or expired: nothing of this channel goes out until there is a new one. */
  | 'credentials'
  /** The template, or the way it was filled, is refused: every message made from it will be. */
  | 'template'
  /** The 24-hour window is closed: only a template may be sent. */
  | 'window'
  /** Somebody has to mend account, number or app at Meta (payment, lock, permission): until then every message of this channel would end the same way. */
  | 'account'
  /** Somebody has to change something at Meta, and it stops only what is like this message. */
  | 'human'

export type ProviderErrorMeaning = {
  readonly class: ErrorClass
  readonly title: string
  /** What happened and what to do, for the person who reads it in the inbox. */
  readonly explanation: string
  /**
   * Meta refused it before processing it, so sending it again cannot make a second message.
   * Where this is false the message may be out in spite of the error (131000 is known for it).
   */
  readonly safeToRepeat: boolean
  /** Where Meta names a pause: do not try earlier. */
  readonly waitSeconds?: number
}

type Row = readonly [class_: ErrorClass, title: string, explanation: string, waitSeconds?: number]

const minute = 60
const hour = 3600

const newToken = 'Create a new access token in Meta Business settings and store it with the channel.'
const askSupport = 'Try later; if it stays, ask Meta support.'
const fixRequest = 'Correct the message and send it again.'

/**
 * Codes whose error leaves open whether the message went out. Everything else is refused before it is processed; so is what an app may not do (3),
 * though Meta answers it with HTTP 500.
 */
const mayHaveBeenSent: ReadonlySet<number> = new Set([1, 2, 131000, 131016, 131057, 133004, 134102, 135000, 2494100])

const meanings: Readonly<Record<number, Row>> = {
  0: ['credentials', 'Meta does not accept the access token', newToken],
  1: ['retry', 'Meta had an unknown problem', `The request may be invalid or a server of Meta failed. ${askSupport}`],
  2: ['retry', 'Meta is temporarily out of service', askSupport],
  3: ['account', 'The app lacks a capability', 'The Meta app of this token may not use this call. Check the permissions of the app.'],
  4: ['backoff', 'The app made too many calls', 'The limit of the whole Meta app is reached. Messages wait until it is lifted.'],
  10: ['account', 'Permission denied', 'The token lacks the permission whatsapp_business_messaging, or the number is not shared with it.'],
  33: ['account', 'The number does not exist at Meta', 'The phone number was deleted or its id is wrong. Check the channel.'],
  100: ['never', 'Meta found an invalid parameter', fixRequest],
  190: ['credentials', 'The access token has expired', newToken],
  368: [
    'account',
    'The account is blocked for a while',
    'Meta blocked the account for a violation of its policies. See Account Quality in Meta Business Manager.',
  ],
  613: ['backoff', 'Too many requests of this kind', 'Meta limits how often this may be asked for. It is tried again later.'],
  803: ['never', 'The account does not exist at Meta', 'The id of the WhatsApp Business Account is wrong or the token does not see it.'],
  80007: [
    'backoff',
    'The WhatsApp account made too many calls',
    'The hourly limit of the WhatsApp Business Account is reached. Messages wait until it is lifted.',
  ],
  130403: ['never', 'You blocked this person', 'Unblock the person first.'],
  130429: ['backoff', 'Too many messages per second', 'The number sends faster than Meta allows it. Messages wait and go out more slowly.'],
  130472: [
    'never',
    'Not delivered: the person takes part in an experiment of Meta',
    'Meta does not deliver this marketing message. Wait until the person writes to you.',
  ],
  // Of this account, but people elsewhere can be written to.
  130497: ['human', 'Not allowed in this country', 'The account may not message people in this country.'],
  131000: ['retry', 'Something went wrong at Meta', `Meta gives no reason, and the message may have gone out. ${askSupport}`],
  131005: ['account', 'Access denied', 'The permission was not granted or was taken away. Check the token of the channel.'],
  131008: ['never', 'A required parameter is missing', fixRequest],
  131009: ['never', 'A parameter has an invalid value', fixRequest],
  131016: ['retry', 'A service of Meta is unavailable', askSupport],
  131020: ['never', 'The group has no other member', 'There is nobody in the group to receive it.'],
  131021: ['never', 'Sender and recipient are the same number', 'Send to another number.'],
  131026: [
    'never',
    'The message cannot be delivered',
    'The number is not on WhatsApp, has an old version, or has not accepted the terms. Reach the person in another way.',
  ],
  131030: ['human', 'The recipient is not on the test list', 'A test number reaches listed recipients only. Add the recipient in the app dashboard.'],
  131031: ['account', 'The account is locked', 'Meta locked the account for a violation, or the two-step PIN does not match.'],
  131037: ['account', 'The display name is not approved', 'The number needs an approved display name before it may send.'],
  131041: ['never', 'The group does not exist', 'The group is unknown or was deleted.'],
  131042: [
    'account',
    'There is a problem with the payment',
    'Check payment method, credit line, currency and time zone of the WhatsApp account at Meta.',
  ],
  131044: ['human', 'There is a problem with the payment of calls', 'Check the payment method of the WhatsApp account at Meta.'],
  131045: ['account', 'The number is not registered correctly', 'Register the phone number again, then send.'],
  131047: ['window', 'More than 24 hours since the customer wrote', 'Only a template may be sent until the customer writes again.'],
  131048: [
    'account',
    'Too many messages were blocked or reported as spam',
    'Meta restricts the number. Check its quality; sending on makes it worse.',
  ],
  131049: [
    'wait_24h',
    'Meta held the message back',
    'The person had enough marketing messages for now. Do not send it again before 24 hours.',
    24 * hour,
  ],
  131050: ['never', 'The person stopped marketing messages', 'The person chose to get no marketing messages from you. Respect it.'],
  131051: ['never', 'This type of message is not supported', fixRequest],
  131052: ['never', "The customer's file could not be downloaded", 'Ask the customer to send it again in another way.'],
  131053: ['never', 'The file could not be uploaded', 'Type or size of the file is not what Meta accepts for this kind of message.'],
  131055: ['never', 'Only marketing templates go this way', 'This endpoint takes marketing templates only.'],
  131056: [
    'pair_limit',
    'Too many messages to the same person',
    'Meta allows about one message in six seconds to the same person. It goes out a little later.',
  ],
  131057: ['retry', 'The number is in maintenance', 'Meta is upgrading the number; this takes about a minute.', minute],
  131059: ['never', 'The page of the list is no longer valid', 'Read the list again from its start.'],
  131060: ['never', 'The message is not available here', 'The content may be seen only in the WhatsApp Business app.'],
  131062: ['never', 'This message needs the phone number', 'Authentication templates cannot be sent to a business-scoped user id.'],
  131063: ['human', 'Marketing goes another way', 'The account turned marketing off for this endpoint and uses the Marketing Messages API.'],
  131064: [
    'account',
    'Restricted for wrong template categories',
    'Meta limits the account because templates had a wrong category. See Account Quality.',
  ],
  131208: ['backoff', 'Too many group requests', 'The limit for groups is reached. It is tried again later.'],
  132000: ['template', 'The number of values does not fit the template', 'Give exactly as many values as the template has variables.'],
  132001: [
    'template',
    'The template does not exist',
    'There is no approved template of that name in that language. Check name, language code and approval.',
  ],
  132005: ['never', 'The text became too long', 'With its values filled in, the template is longer than Meta allows. Shorten the values.'],
  132007: ['template', 'The template breaks a policy', 'Meta refuses its content. Change the template.'],
  132008: ['never', 'A value of the template is invalid', 'Values may not hold line breaks, tabs or more than four spaces in a row.'],
  132012: ['template', 'The values do not have the form the template asks for', 'Kind or name of a value differs from the template.'],
  132015: ['template', 'The template is paused', 'Meta paused it for low quality. Improve it, or wait for the end of the pause.'],
  132016: ['template', 'The template is disabled', 'It was paused too often for low quality. Make a new template.'],
  132018: ['template', 'The values do not fit the template', 'Meta found a mistake when it checked the values against the template.'],
  132068: ['template', 'The flow is blocked', 'Repair the flow of this template at Meta.'],
  132069: ['template', 'The flow is throttled', 'The flow was sent too often while it had errors. Repair it at Meta.'],
  133000: ['account', 'An earlier deregistration is incomplete', 'Deregister the number again, then register it.'],
  133004: ['retry', 'A server of Meta is unavailable', askSupport],
  133005: ['human', 'The two-step PIN is wrong', 'Enter the right PIN, or reset it in WhatsApp Manager.'],
  133006: ['account', 'The number has to be verified', 'Verify the number by code, then register it.'],
  133008: ['human', 'The PIN was wrong too often', 'Wait for the time Meta names, then try again.'],
  133009: ['human', 'The PIN was entered too fast', 'Wait a little, then try again.'],
  133010: ['account', 'The number is not registered', 'Register the phone number with the Cloud API before sending.'],
  133015: ['retry', 'The number is being deleted', 'Its deletion has not finished. It is tried again after five minutes.', 5 * minute],
  133016: ['human', 'Registered too often', 'A number may be registered ten times in 72 hours. Wait 72 hours.', 72 * hour],
  // Only messages that ask for a payment need them.
  134011: ['human', 'The terms for payments are not accepted', 'Accept the payment terms at Meta.'],
  134100: ['never', 'Only marketing templates go this way', 'This endpoint takes marketing templates only.'],
  134101: [
    'retry',
    'The template is still being prepared',
    'Meta needs up to ten minutes for a new template. It is tried again after that.',
    10 * minute,
  ],
  134102: ['template', 'The template cannot be used here', 'Meta cannot send this template as a marketing message.'],
  135000: ['never', 'Meta refused the message', 'Meta gives no reason. Check the parameters of the message.'],
  136024: ['never', 'The number is verified already', 'Go on with the registration.'],
  137000: ['human', "The customer's identity has changed", 'WhatsApp was set up anew on this number. Make sure who it is before you send.'],
  138002: ['backoff', 'Too many calls at once', 'The limit of simultaneous calls is reached.'],
  138003: ['backoff', 'A call to this person is going on', 'Wait until it has ended.'],
  138005: ['backoff', 'Too many calls', 'The limit of calls is reached.'],
  139103: ['retry', 'The block list could not be changed', askSupport],
  1752041: ['never', 'The number is being connected already', 'An earlier connection of the same number has not ended.'],
  2388019: ['human', 'Too many templates', 'The account has as many templates as it may have. Delete some.'],
  2388024: ['never', 'The template exists already', 'There is one of that name in that language.'],
  2494100: ['retry', 'The number is in maintenance', 'Meta is working on the number; this takes some minutes.', minute],
  2593107: ['human', 'The synchronisation was asked for already', 'It can be asked for once per connection of the number.'],
  2593108: ['human', 'Too late to synchronise', 'It has to be asked for within 24 hours of connecting the number. Connect it again.'],
  2593109: ['human', 'The history is not shared', 'The owner of the WhatsApp Business app declined to share it.'],
}

const ranges: readonly { readonly from: number; readonly to: number; readonly meaning: Row }[] = [
  {
    from: 200,
    to: 299,
    meaning: ['account', 'A permission is missing', 'The token lacks a permission for this call. Check the system user and the app.'],
  },
  { from: 131201, to: 131215, meaning: ['never', 'Meta refused the group request', fixRequest] },
  {
    from: 138000,
    to: 138018,
    meaning: ['never', 'Meta refused the call', 'Check the calling settings of the number and the permission of the person.'],
  },
  { from: 139000, to: 139004, meaning: ['never', 'Meta refused the flow', 'Check the flow and whether it is published.'] },
  {
    from: 139100,
    to: 139102,
    meaning: ['never', 'The block list could not be changed', 'Only people who wrote in the last 24 hours can be blocked.'],
  },
  { from: 147001, to: 147005, meaning: ['human', 'The username was refused', 'Choose the username in WhatsApp Manager.'] },
  { from: 2388001, to: 2388299, meaning: ['never', 'Meta refused the template or the migration', fixRequest] },
]

/**
 * An HTTP answer without Meta's error in it (a proxy, Meta's edge). Only refusals come here: what may have been processed is an unknown outcome.
 * Meta uses code 0 for a bad token as well, with 401.
 */
function withoutCode(status: number): Row {
  if (status === 401) return ['credentials', 'The access token was not accepted', newToken]
  if (status === 429) return ['backoff', 'Too many requests', 'Meta asks to go more slowly. Messages wait until it is lifted.']
  return [
    'never',
    'The request was refused on its way to Meta',
    `The answer (HTTP ${status}) is not one of the Cloud API. Check the address of the Graph API and what stands before it.`,
  ]
}

function rowOf(code: number, status: number | undefined): Row {
  if (code === 0 && status !== undefined) return withoutCode(status)
  const known = meanings[code] ?? ranges.find((range) => code >= range.from && code <= range.to)?.meaning
  // An unknown code is not repeated: a second try that was not needed can cost a second message, a failed message shows up and can be sent by hand.
  return known ?? ['never', `Meta refused the message (${code})`, "Recado does not know this code yet. Meta's own words are kept with the message."]
}

/**
 * The meaning of an error of Meta. Total: an unknown code is `never`, with Meta's words kept elsewhere.
 * `status` matters only for code 0, which stands for "there was no code to read" as well as for Meta's authentication failure.
 */
export function explain(code: number, status?: number): ProviderErrorMeaning {
  const [class_, title, explanation, waitSeconds] = rowOf(code, status)
  const meaning = { class: class_, title, explanation, safeToRepeat: !mayHaveBeenSent.has(code) }
  return waitSeconds === undefined ? meaning : { ...meaning, waitSeconds }
}

/** The class of an error as messages and channels carry it (`provider_131042`); undefined for one of our own. */
export const classOfError = (code: string): ErrorClass | undefined =>
  code.startsWith('provider_') ? explain(Number(code.slice('provider_'.length))).class : undefined

/** Every code with a meaning of its own, for the generated reference. */
export const knownCodes: readonly number[] = Object.keys(meanings).map(Number)
