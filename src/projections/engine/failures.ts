import { DatabaseError } from 'pg'
import { NotEncodable } from './rows.ts'

/** Too many rows had to be parked: something is wrong that is not about single events. */
export class TooManyParked extends Error {
  override readonly name = 'TooManyParked'
}

/**
 * Whether trying the same page again must fail the same way, so that one of its events is to blame: a value that PostgreSQL refuses (22 data, 23 constraint,
 * 54 too large). Everything else (connection, deadlock, disk, a missing grant) says nothing about an event and is tried again for as long as it takes.
 */
export const isPoison = (error: unknown): boolean =>
  error instanceof NotEncodable || (error instanceof DatabaseError && error.code !== undefined && ['22', '23', '54'].includes(error.code.slice(0, 2)))
