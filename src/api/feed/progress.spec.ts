import { describe, expect, it } from 'vitest'
import { positionOf } from '../../domain/kernel/position.ts'
import type { Rebuild } from '../../projections/engine/rebuilds.ts'
import { eventFrame } from './frames.ts'
import { hearing } from './hearing.ts'
import { publishProgress, viewsOf } from './progress.ts'

const [ana, bea] = [crypto.randomUUID(), crypto.randomUUID()]
const at = new Date('2026-01-01T12:00:00.000Z')
const rebuild = (more: Partial<Rebuild> = {}): Rebuild => ({
  id: 'ffffffff-0000-4000-8000-000000000001',
  kind: 'rebuild',
  projections: ['messages'],
  versions: [3],
  tenantId: undefined,
  state: 'copying',
  token: '1',
  target: positionOf(4000),
  position: positionOf(1210),
  eventsDone: 1210,
  eventsTotal: 4000,
  eventsPerSecond: 100.4,
  etaSeconds: 28,
  attempts: 1,
  rowCounts: { messages: { [bea]: 7 } },
  createdAt: at,
  startedAt: at,
  updatedAt: at,
  endedAt: undefined,
  error: undefined,
  ...more,
})

const reached = positionOf(42)
const key = hearing(undefined, ['feed:read', 'projections:read'])
const operator = hearing(undefined, ['*'], true)
function heard(one: Rebuild, tenantId: string, who = key, before?: Rebuild) {
  const frames = publishProgress(one, viewsOf(one), before && viewsOf(before))(tenantId, reached).framesFor(who)
  return frames.map((bytes) => JSON.parse(String(bytes)) as { id: string; position: string; occurred_at: string; data: Record<string, unknown> })
}
const outline = { rebuild_id: rebuild().id, kind: 'rebuild', projections: ['messages'], tenant_id: null, state: 'copying', percent: 30 }

describe('the progress of a rebuild of all organisations', () => {
  it('is told to each without anything of how much the others have', () => {
    const error = { code: 'fold_failed', detail: 'x', position: '17', type: 'MessageReceived' }
    expect(heard(rebuild({ error }), ana).map(({ data }) => data)).toEqual([outline])
  })
  it('is told to the operator in full', () => {
    expect(heard(rebuild(), ana, operator).map(({ data }) => data)).toEqual([
      { ...outline, events_done: 1210, events_total: 4000, events_per_second: 100, eta_seconds: 28, error: null },
    ])
  })
  it('is told again only to those for whom it has changed', () => {
    const soon = rebuild({ eventsDone: 1215, updatedAt: new Date(at.getTime() + 500) })
    expect(heard(soon, ana, key, rebuild())).toEqual([])
    expect(heard(soon, ana, operator, rebuild())).toHaveLength(1)
    expect(heard(rebuild({ eventsDone: 1215 }), ana, key)).toHaveLength(1)
  })
})

describe('the progress of a rebuild of one organisation', () => {
  it('is told to that one and to the operator in full, and to nobody else', () => {
    const own = rebuild({ tenantId: ana })
    expect(heard(own, ana)[0]?.data).toMatchObject({ tenant_id: ana, events_total: 4000 })
    expect(heard(own, bea, operator)[0]?.data).toMatchObject({ tenant_id: ana, events_total: 4000 })
    expect(heard(own, bea)).toEqual([])
  })
})

describe('a frame of progress', () => {
  it('is as asyncapi.json describes it, stands where the listener is, and has the same id from every process', () => {
    for (const who of [key, operator]) {
      const [frame] = heard(rebuild(), ana, who)
      expect(eventFrame('projection.progress').safeParse(frame).error).toBeUndefined()
      expect(frame).toMatchObject({ position: reached, occurred_at: at.toISOString() })
      expect(frame).toEqual(heard(rebuild(), ana, who)[0])
    }
    expect(heard(rebuild({ state: 'indexing' }), ana)[0]?.id).not.toBe(heard(rebuild(), ana)[0]?.id)
  })
  it('is only for keys that may read it and topics that name it', () => {
    expect(heard(rebuild(), ana, hearing(undefined, ['feed:read', 'messages:read']))).toEqual([])
    expect(heard(rebuild(), ana, hearing(['message'], ['*']))).toEqual([])
    expect(heard(rebuild(), ana, hearing(['projection'], ['*']))).toHaveLength(1)
  })
  it('says no percentage before the events were counted, and 100 at the end', () => {
    const percent = (more: Partial<Rebuild>) => heard(rebuild(more), ana)[0]?.data['percent']
    expect(percent({ state: 'created', eventsTotal: undefined, eventsDone: 0 })).toBeNull()
    expect(percent({ eventsDone: 3999 })).toBe(99)
    expect(percent({ state: 'live', eventsTotal: undefined })).toBe(100)
    expect(percent({ eventsTotal: 0, eventsDone: 0 })).toBe(100)
  })
})
