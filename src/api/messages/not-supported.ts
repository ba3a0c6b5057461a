import { problem, type Problem } from '../http/problem.ts'

/**
 * A parameter of the contract that is not built yet is refused when it is used: an answer that leaves it out would be the answer to another question.
 * What the contract does not know at all stays ignored.
 */
export const notSupported = (parameter: string, what: string): Problem =>
  problem('invalid_request', { errors: [{ path: `query.${parameter}`, code: 'not_supported', message: `is not supported yet: ${what}` }] })
