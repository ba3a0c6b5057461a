import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMediaLinks, type Linked } from './links.ts'

const noon = Date.parse('2026-11-22T12:00:00Z')
const linked: Linked = { tenantId: 't', mediaId: 'm', part: 'file' }
let now = noon
const links = createMediaLinks({
  vault: {
    ensure: () => Promise.resolve(),
    blindIndex: (tenantId, kind, value) => createHmac('sha256', `key of ${tenantId}`).update(`${kind} ${value}`).digest('hex'),
  },
  clock: () => new Date(now),
})
const parts = async (of = linked): Promise<{ ends: number; signature: string }> => {
  const { searchParams } = new URL(await links.linkTo(of), 'http://recado')
  return { ends: Number(searchParams.get('ends')), signature: searchParams.get('signature') ?? '' }
}

describe('a link to a file', () => {
  it('works for at least five and at most ten minutes, whenever it was made', async () => {
    for (const made of [noon, noon + 1_000, noon + 150_000, noon + 299_999]) {
      now = made
      const { ends, signature } = await parts()
      now = made + 299_000
      expect(await links.isGood(linked, ends, signature)).toBe(true)
      now = made + 600_000
      expect(await links.isGood(linked, ends, signature)).toBe(false)
    }
  })
  it('is the same when it is asked for again, so that a browser knows the picture', async () => {
    now = noon
    const first = await parts()
    now = noon + 200_000
    expect(await parts()).toEqual(first)
  })
  it('is good for its own tenant, file, part and end only', async () => {
    now = noon
    const { ends, signature } = await parts()
    expect(await links.isGood({ ...linked, tenantId: 'u' }, ends, signature)).toBe(false)
    expect(await links.isGood({ ...linked, mediaId: 'n' }, ends, signature)).toBe(false)
    expect(await links.isGood({ ...linked, part: 'thumbnail' }, ends, signature)).toBe(false)
    expect(await links.isGood(linked, ends + 1, signature)).toBe(false)
    expect(await links.isGood(linked, ends + 86_400, signature)).toBe(false)
    expect(await links.isGood(linked, ends, '')).toBe(false)
  })
})
