import { describe, expect, it } from 'vitest'
import { deliveryId } from './delivery-id.ts'

const sha256 = '0123456789abcdef'.repeat(4)
const id = (text: string): string => deliveryId(Buffer.from(text), sha256)

describe('the id of a delivery', () => {
  it('begins with the time of its first message, so that those of one moment stand side by side', () => {
    const messages = '{"entry":[{"changes":[{"value":{"messages":[{"timestamp":"1739321024"},{"timestamp":"1739329999"}]}}]}]}'
    expect(id(messages)).toBe(`67abeec0${sha256.slice(0, 24)}`)
    expect(id('{"statuses":[{"timestamp":"0000000255"}]}')).toBe(`000000ff${sha256.slice(0, 24)}`)
  })

  it('is the hash alone where no such time stands', () => {
    const without = ['{"time":1739321024}', '{"timestamp":1739321024}', '{"timestamp":"soon, soon"}', '{"timestamp":"17393210244"}', '{"timestamp":"']
    const beyond = '{"timestamp":"9999999999"}'
    const inAText = JSON.stringify({ body: '"timestamp":"1739321024"' })
    for (const text of [...without, beyond, inAText]) expect(id(text)).toBe(sha256.slice(0, 32))
  })

  it('is the same wherever in memory the bytes stand', () => {
    const bytes = Buffer.from('    {"timestamp":"1739321024"}')
    expect(deliveryId(bytes.subarray(4), sha256)).toBe(id('{"timestamp":"1739321024"}'))
  })
})
