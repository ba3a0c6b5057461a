/**
 * What an error of the client means. Told by `type`, `code` and text: `instanceof` is no help, because what the client throws before a call is under way
 * (discovery, a broken channel) is a plain Error with a code.
 * `again`: the outcome is unknown, or the server is not ready · `illegal-position`: a place in `$all` at which no record begins ·
 * `refused`: it always will be · the rest are answers with a meaning of their own.
 */
export type Failure =
  | { readonly kind: 'again'; readonly code: number | undefined }
  | { readonly kind: 'conflict'; readonly actual: bigint | undefined }
  | { readonly kind: 'missing' | 'closed' | 'denied' | 'illegal-position' | 'refused' }
  | { readonly kind: 'too-large'; readonly limit: number }

/** gRPC's own limit of a message, which nothing above it reports in numbers. */
const largestMessage = 16 * 1024 * 1024

type Told = {
  readonly type?: string
  readonly code?: number
  readonly message?: string
  readonly actualVersion?: unknown
  readonly maxAppendSize?: number
}

export function failureOf(error: unknown): Failure {
  const told: Told = typeof error === 'object' && error !== null ? error : {}
  switch (told.type) {
    case 'wrong-expected-version':
      return { kind: 'conflict', actual: typeof told.actualVersion === 'bigint' && told.actualVersion >= 0n ? told.actualVersion : undefined }
    case 'stream-not-found':
      return { kind: 'missing' }
    case 'stream-deleted':
      return { kind: 'closed' }
    case 'access-denied':
      return { kind: 'denied' }
    case 'maximum-append-size-exceeded':
      return { kind: 'too-large', limit: told.maxAppendSize ?? largestMessage }
    default:
      return byCode(told)
  }
}

function byCode({ code, message = '' }: Told): Failure {
  // What the client asks for by itself comes without a type.
  if (code === 7 || code === 16) return { kind: 'denied' }
  if (code === 8 && message.includes('message')) return { kind: 'too-large', limit: largestMessage }
  if (code === 2 && message.includes('ReadAllResult')) return { kind: 'illegal-position' }
  if (code === 3 || (code === 2 && message.includes('thrown by handler'))) return { kind: 'refused' }
  return { kind: 'again', code }
}

/** Heavier than the server takes in one append. Not a matter of trying again. */
export class AppendTooLarge extends Error {
  override readonly name = 'AppendTooLarge'
  readonly limit: number
  constructor(limit: number) {
    super(
      `EventStoreDB takes at most ${limit} bytes in one append. Raise EVENTSTORE_MAX_APPEND_SIZE on every node (8388608 is what Recado's compose file sets) and restart them.`,
    )
    this.limit = limit
  }
}

/** The stream was closed for ever with its tenant: its name takes nothing any more. */
export class StreamClosed extends Error {
  override readonly name = 'StreamClosed'
}

export class AccessDenied extends Error {
  override readonly name = 'AccessDenied'
  constructor(cause: unknown) {
    super(
      'EventStoreDB denies access. Put the user and password of an account that may read $all and write into EVENTSTOREDB_URL (esdb://user:password@host).',
      {
        cause,
      },
    )
  }
}
