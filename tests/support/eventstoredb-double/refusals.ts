import type { Refusal } from './grpc.ts'

/** The server's errors as they stand on the wire: the `exception` trailer picks the client's class, without it the code does. */
export const refusals = {
  streamDeleted: (stream: string): Refusal => ({
    code: 9,
    details: `Event stream '${stream}' is deleted.`,
    trailers: { exception: 'stream-deleted', 'stream-name': stream },
  }),
  /** Of delete and tombstone only: an append's wrong version is an answer, not an error. */
  deleteWrongVersion: (stream: string, expected: number, actual: number): Refusal => ({
    code: 9,
    details: `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    trailers: { exception: 'wrong-expected-version', 'stream-name': stream, 'expected-version': String(expected), 'actual-version': String(actual) },
  }),
  appendTooLarge: (limit: number): Refusal => ({
    code: 3,
    details: `Maximum Append Size of ${limit} Exceeded.`,
    trailers: { exception: 'maximum-append-size-exceeded', 'maximum-append-size': String(limit) },
  }),
  accessDenied: { code: 7, details: 'Access Denied', trailers: { exception: 'access-denied' } },
  notLeader: (host: string, port: number): Refusal => ({
    code: 5,
    details: 'Leader info available',
    trailers: { exception: 'not-leader', 'leader-endpoint-host': host, 'leader-endpoint-port': String(port) },
  }),
  notReady: { code: 14, details: 'Server Is Not Ready' },
  tooBusy: { code: 14, details: 'Server Is Too Busy' },
  commitTimeout: { code: 10, details: 'Operation timed out: Commit phase timeout.' },
  tooSlow: { code: 10, details: 'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.' },
  handlerException: { code: 2, details: 'Exception was thrown by handler.' },
  badAllPosition: { code: 2, details: 'Unexpected ReadAllResult: Error' },
  badStreamRead: { code: 2, details: 'Unexpected ReadStreamResult: Error' },
  unimplemented: { code: 12, details: 'Service is unimplemented.' },
} as const satisfies Record<string, Refusal | ((...args: never[]) => Refusal)>
