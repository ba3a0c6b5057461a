/**
 * Every `code` that a problem may carry, with its status. Codes are a promise to clients: add, never rename.
 * docs/reference/errors.md is generated from this table (see `errors-reference.ts`); a test keeps the two equal.
 */
export const problemCodes = {
  // The request itself
  malformed_json: [400, 'The body is not JSON', 'The body could not be read as JSON in UTF-8.'],
  bad_request: [400, 'The request could not be read', 'A part of the request (address, header, encoding) is not valid HTTP or not UTF-8.'],
  unknown_parameter: [
    400,
    'There is no such query parameter',
    'The address has a query parameter that is not known here. A filter that is not applied would be answered with everything, so nothing was done.',
  ],
  tenant_required: [400, 'Which tenant?', 'The platform operator names the tenant it acts in by the header `X-Tenant: <slug or id>`.'],
  not_found: [404, 'Not found', 'There is no such resource, or it belongs to another tenant.'],
  method_not_allowed: [405, 'Method not allowed', 'The address exists, but not with this method; `Allow` lists those that do.'],
  payload_too_large: [413, 'The body is too large', 'The body is larger than this address accepts.'],
  unsupported_media_type: [415, 'Unsupported media type', 'Send `Content-Type: application/json`.'],
  invalid_request: [422, 'The request is not valid', 'Parts of the request are missing, unknown or not valid; `errors` lists each by its path.'],

  // Who asks
  unauthorized: [401, 'No or bad credential', 'Send a valid API key as `Authorization: Bearer <key>` or `X-Api-Key`.'],
  forbidden: [403, 'The key lacks the scope', 'The credential is valid but its scopes do not cover this request.'],
  tenant_suspended: [403, 'The organisation is suspended', 'Changes are refused while the organisation is suspended or closed; reading goes on.'],
  scope_exceeded: [403, 'More than the key may give or take', 'A key can only issue and revoke keys whose scopes it holds itself.'],
  rate_limited: [429, 'Too many requests', 'Wait for `Retry-After` seconds.'],

  // Repeats and versions
  idempotency_conflict: [
    409,
    'The Idempotency-Key was used for something else',
    'The same key came with another method, address, body or credential. Use a new key.',
  ],
  idempotency_in_progress: [
    409,
    'The first request is still running',
    'A request with this Idempotency-Key has not been answered yet. Repeat it later.',
  ],
  precondition_failed: [412, 'It has changed meanwhile', '`If-Match` names another version than the present one. Read it again.'],

  // Tenants and keys
  slug_taken: [409, 'The slug is taken', 'Another organisation of this installation has this slug.'],
  tenant_closed: [409, 'The organisation is closed', 'A closed organisation stays closed.'],

  // Channels
  number_taken: [409, 'The number is connected elsewhere', 'Another channel of this installation holds this phone number id. Remove it there first.'],
  verification_required: [
    403,
    'The number has to be verified',
    'Only the platform operator may connect a number without asking the provider. Leave `verify` out, or ask the operator.',
  ],
  channel_removed: [409, 'The channel was removed', 'A removed channel cannot be changed. Add the number again.'],
  credentials_refused: [
    422,
    'The provider refused the credentials',
    'Meta did not accept the access token, the number or the account; `provider_error` says why.',
  ],
  provider_unreachable: [
    503,
    'The provider did not answer',
    'Meta could not be reached. Nothing was changed; repeat later, or send `verify: false`.',
  ],
  sync_refused: [
    409,
    'The phone cannot be asked',
    'Meta refused to ask the phone for its contacts or history; `provider_error` and `detail` say why.',
  ],
  provider_rejected: [422, 'Meta did not take it', 'Meta accepted the credentials and refused what was asked for; `provider_error` says why.'],
  config_ambiguous: [409, 'More than one channel', 'The organisation has several business channels. Use /v1/channels to say which one.'],
  lite_unavailable: [422, 'WhatsApp Web sessions are not available', 'This installation connects numbers through the Cloud API (`business`) only.'],

  // Templates
  template_exists: [409, 'There is one already', 'The account has a template of this name in this language. Edit that one, or choose another name.'],
  template_refused: [422, 'Meta did not take the template', '`detail` and `provider_error` say why.'],
  template_not_editable: [409, 'The template cannot be edited', 'Meta takes edits of templates that are APPROVED, REJECTED or PAUSED.'],
  template_edit_limit: [409, 'Too many edits', 'Meta takes one edit of an approved template in 24 hours and ten in 30 days.'],
  template_not_read: [409, 'The words of the template are not known yet', 'Meta told of it only; it is being read. Try again in a moment, or sync.'],
  template_not_found: [422, 'There is no such template', 'The account of the channel has no template of this name in this language.'],
  template_not_approved: [409, 'The template is not approved', 'Only templates that are APPROVED can be sent; `detail` says what this one is.'],
  template_parameters: [422, 'The values do not fit the template', '`errors` lists each by its path.'],

  // Conversations and messages
  window_closed: [409, 'The 24-hour window is closed', 'The customer has not written in the last 24 hours. Only a template message can be sent.'],
  channel_not_connected: [409, 'The channel is not connected', 'Connect the channel before sending through it.'],
  conversation_resolved: [409, 'The conversation is resolved', 'Reopen it first.'],
  snooze_in_the_past: [409, 'The moment has passed', 'A conversation can only be snoozed until a moment to come.'],
  message_not_retryable: [409, 'The message cannot be sent again', 'Only a failed message, or one whose outcome is unknown, can be sent again.'],
  message_not_resolvable: [409, 'The outcome of the message is known', 'Only a message whose outcome is unknown can be said to be sent or failed.'],
  delivery_unreadable: [
    409,
    'The delivery cannot be read',
    'Its raw body is no longer kept, was erased, or cannot be parsed; there is nothing to apply again.',
  ],
  recipient_mismatch: [
    422,
    'The recipient is somebody else',
    'A message in a conversation goes to its contact. Leave `to` and `recipient` out, or send it by `POST /v1/messages`.',
  ],
  recipient_unknown: [409, 'The recipient has no address', 'The contact has neither a phone number nor a business-scoped id on this channel.'],

  // Media
  media_pending: [409, 'The file is not here yet', 'It is being fetched from the provider. Ask again, or wait for `media.stored` in the feed.'],
  media_gone: [410, 'The file is gone', 'It was erased, the provider no longer had it, or it could not be fetched; `detail` says which.'],

  // The past
  moment_preparing: [
    503,
    'The list is being put together',
    'A list as of a moment is built when it is first asked for. Ask again after `Retry-After`.',
  ],
  moment_too_long: [
    422,
    'Too much happened up to then',
    'A list as of a moment reads the log up to there, and the organisation has more events than are read for one answer. Single resources can still be asked for.',
  ],

  // Read models
  parked_behind: [
    409,
    'It only waits behind another one',
    'This event could be applied but for an earlier one of the same row. Discard or retry the one that failed.',
  ],

  rebuild_running: [409, 'It is being built already', 'One rebuild of a read model at a time; `detail` names the one that is under way.'],
  no_previous_generation: [
    409,
    'There is nothing to go back to',
    'The rows that were shown before are kept for a day after a switch, and can be taken back by the version of Recado that wrote them.',
  ],

  // Us
  unavailable: [
    503,
    'Not now',
    'The log or the database cannot take the request at the moment. Nothing is known to be changed; repeat with the same Idempotency-Key.',
  ],
  internal: [500, 'Something went wrong', 'The mistake is ours. Quote `request_id` when you report it.'],
} as const satisfies Record<string, readonly [status: number, title: string, explanation: string]>

export type ProblemCode = keyof typeof problemCodes
