import { describe, expect, it } from 'vitest'
import { replay, type Replay, type ReplayCommand } from './replay.ts'

const request: ReplayCommand = { type: 'request', filter: { state: 'failed' }, rate: 50 }
const finish: ReplayCommand = { type: 'finish', counts: { matched: 2, replayed: 1, unreadable: 1, waiting: 0, items: 3, failed: 0 } }

function after(...commands: ReplayCommand[]): { state: Replay; decision: ReturnType<typeof replay.decide> } {
  let state = replay.initial
  let decision: ReturnType<typeof replay.decide> = { events: [] }
  for (const command of commands) {
    decision = replay.decide(command, state)
    if ('events' in decision) state = decision.events.reduce(replay.evolve, state)
  }
  return { state, decision }
}

describe('a replay of many deliveries', () => {
  it('is asked for once', () => {
    expect(after(request).state).toMatchObject({ status: 'running', filter: { state: 'failed' }, rate: 50 })
    expect(after(request, request).decision).toEqual({ events: [] })
  })
  it('is finished once, with what came of it', () => {
    expect(after(request, finish).state).toMatchObject({ status: 'finished', cancelled: false, counts: { replayed: 1 } })
    expect(after(request, finish, finish).decision).toEqual({ events: [] })
  })
  it('stays known as cancelled when it was wound up', () => {
    expect(after(request, { type: 'cancel' }, finish).state).toMatchObject({ status: 'finished', cancelled: true })
    expect(after(request, finish, { type: 'cancel' }).decision).toEqual({ events: [] })
  })
  it.each<ReplayCommand>([{ type: 'cancel' }, finish])('that was never asked for refuses $type', (command) => {
    expect(after(command).decision).toEqual({ refused: 'not_found' })
  })
})
