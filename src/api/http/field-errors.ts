import type { z } from 'zod'
import type { FieldError } from './problem.ts'

const most = 50

/** Zod's issues as the contract's `errors`. `where` is `body`, `query` or nothing; messages name rules, never the values that broke them. */
export function fieldErrors(error: z.ZodError, where?: string): FieldError[] {
  return error.issues
    .flatMap((issue): FieldError[] => {
      const path = [...(where === undefined ? [] : [where]), ...issue.path.map(String)]
      if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), code: issue.code, message: issue.message }]
      return issue.keys.map((key) => ({ path: [...path, key].join('.'), code: 'unrecognized_key', message: 'is not known here' }))
    })
    .slice(0, most)
}
