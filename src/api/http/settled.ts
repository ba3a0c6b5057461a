import type { Position } from '../../domain/kernel/position.ts'
import type { ProblemCode } from './codes.ts'
import { problem } from './problem.ts'

type Settled = { readonly position: Position }
type Refused = { readonly refused: ProblemCode; readonly detail?: string; readonly providerError?: unknown }
type Unsettled = Refused | { readonly stale: { readonly version: number } } | { readonly missing: true }

/**
 * The good part of a command's outcome; a refusal becomes its problem, a stale version 412, what does not exist 404.
 * Typed by the table of codes: a refusal that has no documented code does not compile.
 */
export function settled<T extends Settled | Unsettled>(outcome: T): Extract<T, Settled> {
  if ('refused' in outcome) {
    const { refused, detail, providerError } = outcome
    throw problem(refused, { ...(detail === undefined ? {} : { detail }), ...(providerError === undefined ? {} : { providerError }) })
  }
  // Version 0 is that of a stream that does not exist, or not in this tenant: whatever If-Match said, there is nothing here.
  if ('stale' in outcome && outcome.stale.version === 0) throw problem('not_found')
  if ('stale' in outcome) throw problem('precondition_failed', { headers: { ETag: `"${outcome.stale.version}"` } })
  if ('missing' in outcome) throw problem('not_found')
  return outcome as Extract<T, Settled>
}
