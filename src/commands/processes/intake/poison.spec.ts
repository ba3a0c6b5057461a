import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../../domain/kernel/event-store.ts'
import { SealBroken } from '../../../domain/kernel/vault.ts'
import { isPoison } from './poison.ts'

const coded = (code: string): Error => Object.assign(new Error(code), { code })

describe('what comes again however often an item is tried', () => {
  it.each([new TypeError('x'), new RangeError('x'), new SyntaxError('x'), new SealBroken('x'), coded('22021'), coded('23505'), coded('54000')])(
    'is put aside: %s',
    (error) => {
      expect(isPoison(error)).toBe(true)
    },
  )
  it.each([
    new StoreUnavailable('queue_full', 'x'),
    coded('57P01'),
    coded('40001'),
    coded('53300'),
    coded('ECONNREFUSED'),
    new Error('Connection terminated unexpectedly'),
    'not even an error',
  ])('is not a bad moment of the database: %s', (error) => {
    expect(isPoison(error)).toBe(false)
  })
})
