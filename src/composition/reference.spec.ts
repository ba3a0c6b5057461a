import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { referencePages } from './reference.ts'

describe('the generated pages', () => {
  it.each([...referencePages()])('%s says what the code says (else: npm run docs:generate)', async (file, text) => {
    expect(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8')).toBe(text)
  })
})
