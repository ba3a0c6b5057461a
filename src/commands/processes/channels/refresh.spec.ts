import { describe, expect, it } from 'vitest'
import { derivedId } from '../../../domain/kernel/ids.ts'
import type { ChannelEntry } from '../../directory/directory.ts'
import { dueChannels } from './refresh.ts'

const start = Date.parse('2026-01-01T00:00:00Z')
const minute = 60_000
const at = (minutes: number): Date => new Date(start + minutes * minute)
const entries: ChannelEntry[] = Array.from({ length: 480 }, (_, index) => ({
  tenantId: 't',
  channelId: derivedId('channel', String(index)),
  name: 'n',
  phoneNumberId: String(index),
  wabaId: 'w',
  status: 'connected',
  hook: undefined,
}))

describe('the turns of the channels', () => {
  it('come once in four hours for each, however long the looks are apart', () => {
    for (const step of [1, 7]) {
      const seen = new Map<string, number>()
      for (let from = 0; from < 240; from += step) {
        for (const { channelId } of dueChannels(entries, at(from), at(Math.min(240, from + step))))
          seen.set(channelId, (seen.get(channelId) ?? 0) + 1)
      }
      expect(seen.size).toBe(entries.length)
      expect(new Set(seen.values())).toEqual(new Set([1]))
    }
  })
  it('are spread out, not in a burst', () => {
    const most = Math.max(...Array.from({ length: 240 }, (_, from) => dueChannels(entries, at(from), at(from + 1)).length))
    expect(most).toBeLessThan(12)
  })
  it('skip what is off on purpose or was never connected', () => {
    const off = entries.map((entry, index): ChannelEntry => ({ ...entry, status: index % 2 === 0 ? 'disconnected' : 'pending' }))
    expect(dueChannels(off, at(0), at(240))).toEqual([])
  })
})
