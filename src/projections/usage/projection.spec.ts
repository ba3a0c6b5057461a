import { describe, expect, it } from 'vitest'
import { foldPages } from '../../../tests/support/fold.ts'
import { recordedLog } from '../../../tests/support/recorded.ts'
import type { ConversationEvent } from '../../domain/conversation/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { usage } from './projection.ts'

const stream = streamRef('conversation', '0197c0de-0000-7000-8000-000000000001', 'c')
const attempted: ConversationEvent = { type: 'SendAttempted', messageId: 'm', attempt: 1 }
const failed: ConversationEvent = { type: 'SendFailed', messageId: 'm', attempt: 1, error: { code: 'provider_100', title: 'No', retryable: false } }

describe('the usage of a day', () => {
  it('counts what happened on it, whatever page it came with', () => {
    const log = recordedLog([attempted, attempted, failed].map((event) => [stream, event] as const))
    const expected = [{ id: '2026-01-01', received: 0, queued: 0, attempted: 2, accepted: 0, failed: 1, unknown: 0 }]
    expect([...foldPages(usage, [log]).rows.values()]).toEqual(expected)
    expect([
      ...foldPages(
        usage,
        log.map((event) => [event]),
      ).rows.values(),
    ]).toEqual(expected)
  })
  it('goes by when it happened and not by when it was recorded', () => {
    const log = recordedLog([attempted, attempted].map((event) => [stream, event] as const))
    const moved = log.map((event, index) => (index === 1 ? { ...event, meta: { ...event.meta, occurredAt: '2025-12-31T23:59:59.000Z' } } : event))
    expect([...foldPages(usage, [moved]).rows.values()].map(({ id }) => id)).toEqual(['2026-01-01', '2025-12-31'])
  })
})
