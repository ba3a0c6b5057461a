import { describe, expect, it } from 'vitest'
import { answered, ended } from './deadline.ts'

const never = new Promise<never>(() => undefined)

describe('a call to Kafka', () => {
  it('is answered with what it says', async () => {
    await expect(answered(Promise.resolve(7), 'send')).resolves.toBe(7)
    await expect(answered(Promise.reject(new Error('no')), 'send')).rejects.toThrow('no')
  })

  it('counts as unanswered after its time', async () => {
    await expect(answered(never, 'send', 20)).rejects.toMatchObject({ kind: 'away', message: 'Kafka did not answer within 0.02 s: send' })
  })

  it('is not waited for when it is a farewell that fails', async () => {
    await expect(ended({ disconnect: () => Promise.reject(new Error('gone')) })).resolves.toBeUndefined()
  })
})
