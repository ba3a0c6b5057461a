import type { CallResult } from '../../commands/ports/cloud-api.ts'
import { bareError, metaError } from './answers.ts'
import type { Answer, Exchange } from './exchange.ts'

export const isSuccess = (answer: Answer): boolean => answer.status >= 200 && answer.status < 300

/** For calls that may be repeated at will, where "did it leave?" does not matter. */
export function failure(result: Exchange): { error: ReturnType<typeof bareError> } | { unreachable: string } {
  if ('failed' in result) return { unreachable: result.failed }
  const error = metaError(result.answer)
  if (error) return { error }
  const message = `HTTP ${result.answer.status} is not an answer of the Cloud API`
  return result.answer.status >= 500 ? { unreachable: message } : { error: bareError(result.answer, message) }
}

export function done(result: Exchange): CallResult<true> {
  return 'answer' in result && isSuccess(result.answer) && !metaError(result.answer) ? { ok: true } : failure(result)
}

/** Graph's answer to a field that this version does not have. */
export function lacksField(result: Exchange): boolean {
  const error = 'answer' in result ? metaError(result.answer) : undefined
  return error?.code === 100 && error.message.includes('nonexisting field')
}
