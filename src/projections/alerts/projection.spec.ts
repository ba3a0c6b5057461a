import { describe, expect, it } from 'vitest'
import { rowsAfter } from '../../../tests/support/fold.ts'
import type { AlertEvent } from '../../domain/alert/events.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { alerts, type AlertRow } from './projection.ts'

const stream = streamRef('alert', '0197c0de-0000-7000-8000-000000000001', 'alert-1')
const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString()
const raised = (minute: number): AlertEvent => ({
  type: 'AlertRaised',
  key: 'number_quality:1',
  severity: 'warning',
  code: 'number_quality',
  title: 'Low',
  entity: { type: 'channel', id: '1' },
  at: at(minute),
})
const resolved = (minute: number): AlertEvent => ({ type: 'AlertResolved', at: at(minute), reason: 'over' })
const after = (...events: AlertEvent[]): AlertRow[] =>
  rowsAfter(
    alerts,
    events.map((event) => [stream, event]),
  )

describe('the alerts', () => {
  it('are open from when they were raised, and keep when that was first', () => {
    expect(after(raised(1), raised(3))).toMatchObject([{ status: 'open', firstRaisedAt: new Date(at(1)), raisedAt: new Date(at(3)) }])
  })
  it('are resolved by whom and why', () => {
    const [row] = after(raised(1), resolved(2))
    expect(row).toMatchObject({ status: 'resolved', resolvedAt: new Date(at(2)), reason: 'over' })
    expect(JSON.parse(row?.resolvedBy ?? '')).toEqual({ kind: 'process', id: 'test' })
  })
  it('open again when the trouble comes back', () => {
    expect(after(raised(1), resolved(2), raised(3))).toMatchObject([{ status: 'open' }])
  })
  it('stay resolved when the raise comes after the resolution that ends it', () => {
    expect(after(resolved(2))).toMatchObject([{ status: 'resolved', raisedAt: null }])
    expect(after(resolved(2), raised(1))).toMatchObject([{ status: 'resolved', code: 'number_quality', raisedAt: new Date(at(1)) }])
  })
})
