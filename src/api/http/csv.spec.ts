import { describe, expect, it } from 'vitest'
import { csvLine } from './csv.ts'

describe('a line of CSV', () => {
  it('quotes what would break the line', () => {
    expect(csvLine(['plain', 'with, comma', 'a "word"', 'two\nlines', undefined, 3])).toBe('plain,"with, comma","a ""word""","two\nlines",,3\r\n')
  })
  it('lets no spreadsheet run a formula', () => {
    for (const formula of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '\r=1', '＝1']) {
      const [cell = ''] = csvLine([formula]).split('\r\n')
      expect(cell.replace(/^"/, '').startsWith("'"), JSON.stringify(formula)).toBe(true)
    }
    expect(csvLine(['a=b', 'a-b', '2026-01-01'])).toBe('a=b,a-b,2026-01-01\r\n')
  })
})
