import { describe, expect, it } from 'vitest'
import type { Commands } from '../../kernel/execute.ts'
import { createHearReportedTrouble } from './reported-trouble.ts'

const now = new Date('2026-11-22T12:00:00Z')
const at = (minutes: number): string => new Date(now.getTime() + minutes * 60_000).toISOString()
const context = { tenantId: 't', actor: { kind: 'provider', id: 'meta' }, commandId: 'c', correlationId: 'c', causationId: 'c', at: now } as const

/** What is done about a report, with a channel that was connected half an hour ago. */
async function heard(code: number | string, reportedAt = at(-1)): Promise<string[]> {
  const seen: string[] = []
  const hear = createHearReportedTrouble({
    commands: { execute: async (_: unknown, _id: string, command: unknown) => void seen.push(JSON.stringify(command)) } as unknown as Commands,
    directory: { channelOf: () => ({ connectedAt: new Date(at(-30)) }) as never },
    raiseAlert: async ({ key }) => {
      seen.push(`raise ${key}`)
      return { alertId: key, position: '01' as never }
    },
    clock: () => now,
  })
  const error = { code: typeof code === 'number' ? `provider_${code}` : code, title: 'No', detail: 'In the words of Meta', retryable: false }
  await hear({ channelId: 'sales', error, at: reportedAt }, context)
  return seen
}

describe('a report that a message failed', () => {
  it.each([368, 131031, 131042, 131045, 131048, 133010, 10])(
    'for the sake of the account (%i) is an alert, and on record with the channel',
    async (code) => {
      expect(await heard(code)).toEqual([
        'raise channel_blocked:sales',
        expect.stringMatching(new RegExp(`"recordFailedCheck".*"provider_${code}".*"credentials":false,"reported":true`)) as string,
      ])
    },
  )

  it('for the credentials stops the channel, and for a limit slows it down', async () => {
    expect(await heard(190)).toEqual([expect.stringContaining('"credentials":true') as string])
    expect(await heard(130429)).toEqual([expect.stringContaining('"credentials":false') as string])
  })

  it.each([130497, 131026, 131047, 131049, 132015, 131000, 'unknown'])('for the sake of one message (%s) is nothing for the others', async (code) => {
    expect(await heard(code)).toEqual([])
  })

  it('that is of before somebody mended it, or old, says nothing about now', async () => {
    expect(await heard(131042, at(-31))).toEqual([])
    expect(await heard(131042, at(-61))).toEqual([])
    expect(await heard(131042, at(-29))).toHaveLength(2)
  })
})
