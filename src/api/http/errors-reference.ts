import { isRetryable } from './problem.ts'
import { problemCodes, type ProblemCode } from './codes.ts'
import { scopes } from './scopes.ts'

/** docs/reference/errors.md, from the tables that the program itself answers from. */
export function renderErrorsReference(): string {
  const rows = (Object.entries(problemCodes) as [ProblemCode, (typeof problemCodes)[ProblemCode]][]).map(
    ([code, [status, title, explanation]]) => `| \`${code}\` | ${status} | ${isRetryable(code) ? 'yes' : ''} | ${title}. ${explanation} |`,
  )
  return `# Errors

Generated from src/api/http/codes.ts; do not edit.

Every answer that is not the wished one is \`application/problem+json\`:
\`{type, title, status, code, detail, request_id, errors?: [{path, code, message}], retryable?, retry_after?, provider_error?}\`.
Branch on \`code\`: it is stable. \`detail\` is for people and may change. \`retryable\` means that the same request may succeed later as it is;
where \`Retry-After\` is given, wait for it. Repeat changing requests with the same \`Idempotency-Key\`.

| code | status | retryable | what it means |
|---|---|---|---|
${rows.join('\n')}

## Scopes of API keys

\`*\` stands for all of them. 403 \`forbidden\` names the one that is missing.

| scope | allows |
|---|---|
${Object.entries(scopes)
  .map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  .join('\n')}
`
}
