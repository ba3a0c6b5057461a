import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { renderErrorsReference } from './errors-reference.ts'

it('docs/reference/errors.md says what the program says (`npm run docs:generate` writes it anew)', () => {
  expect(readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8')).toBe(renderErrorsReference())
})
