import { traceId } from './ids.ts'

type Known = readonly [title: string, status: number]

/** Title and HTTP status of the codes the simulator gives of itself or on request (`fail_next`). An unlisted code is `Something went wrong`, 400. */
const known: Readonly<Record<number, Known>> = {
  0: ['AuthException', 401],
  1: ['API Unknown', 400],
  2: ['API Service', 503],
  3: ['API Method', 500],
  4: ['API Too Many Calls', 400],
  10: ['API Permission Denied', 403],
  33: ['Parameter value is not valid', 400],
  100: ['Invalid parameter', 400],
  190: ['Invalid OAuth access token', 401],
  200: ['API Permission', 403],
  368: ['Temporarily blocked for policies violations', 403],
  803: ['Some of the aliases you requested do not exist', 404],
  2200: ['Callback verification failed', 400],
  80007: ['Rate limit issues', 400],
  130429: ['Rate limit hit', 400],
  130472: ["User's number is part of an experiment", 400],
  130497: ['Business account is restricted from messaging users in this country', 403],
  131000: ['Something went wrong', 500],
  131005: ['Access denied', 403],
  131008: ['Required parameter is missing', 400],
  131009: ['Parameter value is not valid', 400],
  131016: ['Service unavailable', 500],
  131021: ['Recipient cannot be sender', 400],
  131026: ['Message undeliverable', 400],
  131030: ['Recipient phone number not in allowed list', 400],
  131031: ['Account has been locked', 403],
  131037: ['WhatsApp provided number needs display name approval before message can be sent', 400],
  131041: ['Group unknown', 400],
  131042: ['Business eligibility payment issue', 400],
  131045: ['Incorrect certificate', 500],
  131047: ['Re-engagement message', 400],
  131048: ['Spam rate limit hit', 400],
  131049: ['This message was not delivered to maintain healthy ecosystem engagement', 400],
  131050: ['User has stopped receiving marketing messages', 400],
  131051: ['Unsupported message type', 400],
  131052: ['Media download error', 400],
  131053: ['Media upload error', 400],
  131056: ['(Business Account, Consumer Account) pair rate limit hit', 400],
  131057: ['Account in maintenance mode', 500],
  131062: ['Business-scoped user id is not supported for this message', 400],
  132000: ['Number of parameters does not match the expected number of params', 400],
  132001: ['Template name does not exist in the translation', 404],
  132005: ['Template hydrated text too long', 400],
  132007: ['Template format character policy violated', 400],
  132012: ['Template parameter format mismatch', 400],
  132015: ['Template is paused', 400],
  132016: ['Template is disabled', 400],
  133004: ['Server temporarily unavailable', 503],
  133005: ['Two step verification PIN mismatch', 400],
  133010: ['Phone number not registered', 400],
  133016: ['Account register deregister rate limit exceeded', 400],
  2593107: ['Sync was requested already', 400],
  2593108: ['Sync is only possible within 24 hours of onboarding', 400],
  2388024: ['Template already exists in this language', 400],
}

const titleOf = (code: number): string => known[code]?.[0] ?? 'Something went wrong'

type Extra = {
  readonly details?: string | undefined
  readonly subcode?: number
  readonly status?: number | undefined
  readonly message?: string
  readonly type?: string
  readonly retryAfter?: number | undefined
}

/** Thrown anywhere below the Graph router, which turns it into Meta's answer. */
export class GraphError extends Error {
  readonly code: number
  readonly status: number
  readonly extra: Extra

  constructor(code: number, extra: Extra = {}) {
    super(extra.message ?? `(#${code}) ${titleOf(code)}`)
    this.code = code
    this.status = extra.status ?? known[code]?.[1] ?? 400
    this.extra = extra
  }
}

/** Meta's REST error. */
export function errorBody(error: GraphError): unknown {
  const { details, subcode, type } = error.extra
  return {
    error: {
      message: error.message,
      type: type ?? 'OAuthException',
      code: error.code,
      ...(details !== undefined && { error_data: { messaging_product: 'whatsapp', details } }),
      ...(subcode !== undefined && { error_subcode: subcode }),
      fbtrace_id: traceId(),
    },
  }
}

/** The same error as a `failed` status carries it. */
export const webhookError = (code: number, details = titleOf(code)): unknown => ({
  code,
  title: titleOf(code),
  message: titleOf(code),
  error_data: { details },
  href: 'https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/',
})

/** The sentence of Graph for an id that does not exist or that the token does not see. */
export const noSuchObject = (id: string, method: string): GraphError =>
  new GraphError(100, {
    message: `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`,
    subcode: 33,
    type: 'GraphMethodException',
  })
