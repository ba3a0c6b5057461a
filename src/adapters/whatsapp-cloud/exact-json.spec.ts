import { describe, expect, it } from 'vitest'
import { exactJson } from './exact-json.ts'

describe('JSON of Meta', () => {
  it('keeps ids that are too big for a double, digit by digit', () => {
    expect(exactJson('{"id":90071992547409931,"list":[9007199254740993]}')).toEqual({ id: '90071992547409931', list: ['9007199254740993'] })
  })
  it('leaves every other number a number', () => {
    expect(exactJson('{"a":1,"b":1.5,"c":1e300,"d":"7"}')).toEqual({ a: 1, b: 1.5, c: 1e300, d: '7' })
  })
  it('is nothing when it is none', () => {
    expect(exactJson('<html>')).toBeUndefined()
  })
})
