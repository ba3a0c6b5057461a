import type { Aggregate } from '../kernel/aggregate.ts'
import { happened, nothing, refuse, type Decision } from '../kernel/decider.ts'
import type { ReplayCounts, ReplayEvent, ReplayFilter } from './events.ts'

export type RequestReplay = { readonly type: 'request'; readonly filter: ReplayFilter; readonly rate: number }
export type CancelReplay = { readonly type: 'cancel' }
export type FinishReplay = { readonly type: 'finish'; readonly counts: ReplayCounts }
export type ReplayCommand = RequestReplay | CancelReplay | FinishReplay

/** none → running → finished; cancelled in between, and finished then too, with what was done until somebody said stop. */
export type Replay = {
  readonly status: 'none' | 'running' | 'cancelled' | 'finished'
  readonly cancelled: boolean
  readonly filter: ReplayFilter
  readonly rate: number
  readonly counts: ReplayCounts | undefined
}

function evolve(state: Replay, event: ReplayEvent): Replay {
  switch (event.type) {
    case 'ReplayRequested':
      return { ...state, status: 'running', filter: event.filter, rate: event.rate }
    case 'ReplayCancelled':
      return { ...state, status: 'cancelled', cancelled: true }
    case 'ReplayFinished':
      return { ...state, status: 'finished', counts: event.counts }
    default:
      return event satisfies never
  }
}

function decide(command: ReplayCommand, { status }: Replay): Decision<ReplayEvent, 'not_found'> {
  switch (command.type) {
    case 'request':
      return status === 'none' ? happened({ type: 'ReplayRequested', filter: command.filter, rate: command.rate }) : nothing
    case 'cancel':
      if (status === 'none') return refuse('not_found')
      return status === 'running' ? happened({ type: 'ReplayCancelled' }) : nothing
    case 'finish':
      if (status === 'none') return refuse('not_found')
      return status === 'finished' ? nothing : happened({ type: 'ReplayFinished', counts: command.counts })
    default:
      return command satisfies never
  }
}

export const replay: Aggregate<ReplayCommand, ReplayEvent, Replay, 'not_found'> = {
  category: 'replay',
  initial: { status: 'none', cancelled: false, filter: {}, rate: 0, counts: undefined },
  evolve,
  decide,
  subject: (id) => `replay:${id}`,
}
