/**
 * A place in the log. Opaque and ordered: compare with `<`, hand it back to the store, never compute with it.
 * Twenty digits, so that text order is log order on every engine (a dense bigint on PostgreSQL, a sparse commit position on EventStoreDB).
 */
export type Position = string & { readonly __brand: 'Position' }

const digits = 20

export const positionOf = (value: bigint | number | string): Position => String(value).padStart(digits, '0') as Position

/** Before the first event. */
export const start: Position = positionOf(0)

/** A position from outside (header, query, frame), or undefined when it is not one. Short forms such as `42` are accepted. */
export const parsePosition = (text: string): Position | undefined => (/^\d{1,20}$/.test(text) ? positionOf(text) : undefined)

export const later = (a: Position, b: Position): Position => (a < b ? b : a)

/** For reading the very event at a position: the log is read from behind a place, and this is the one right before. There need not be an event at it. */
export const justBefore = (position: Position): Position => positionOf(BigInt(position) - 1n)
