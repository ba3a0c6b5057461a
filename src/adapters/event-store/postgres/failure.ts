import { DatabaseError } from 'pg'

/**
 * What a failed statement means for what it wanted to store.
 * `connection`: the connection broke, nobody knows · `busy`: rolled back, and it may work in a moment · `refused`: rolled back, and always will be.
 */
export type Failure = 'connection' | 'busy' | 'refused'

export function failureOf(error: unknown): Failure {
  // Thrown before anything was sent: a value that cannot be written out.
  if (error instanceof TypeError || error instanceof RangeError) return 'refused'
  // What pg itself throws (terminated, timed out, ECONNRESET …) has no SQLSTATE: it never means that the server has said no.
  if (!(error instanceof DatabaseError) || error.code === undefined) return 'connection'
  if (error.severity === 'FATAL' || error.severity === 'PANIC' || error.code.startsWith('08') || error.code.startsWith('57P')) return 'connection'
  // Deadlock and serialisation, resources (too many connections, disk full), locks not available, cancelled statements, failover to a reader.
  return /^(40|53|55|57|58|25006)/.test(error.code) ? 'busy' : 'refused'
}
