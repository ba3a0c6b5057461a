import { expect, it } from 'vitest'
import { reachable } from './reachable.ts'

const refused = (): Promise<never> => Promise.reject(Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' }))
const never = new AbortController().signal

it('asks a database that is being started again, until it answers', async () => {
  const waits: string[] = []
  const log = { warn: (_fields: object, text: string) => void waits.push(text) }
  let times = 0
  expect(await reachable(() => (++times < 2 ? refused() : Promise.resolve('there')), { log, signal: never })).toBe('there')
  expect(waits).toEqual(['the database does not answer yet; trying again'])
})

it('says what to look at when it has been away for too long', async () => {
  await expect(reachable(refused, { log: { warn: () => undefined }, signal: never, patienceMs: -1 })).rejects.toThrow(
    'The database does not answer (connect ECONNREFUSED 10.0.0.1:5432). Look at DATABASE_URL.',
  )
})

it('does not wait any longer once it is told to stop', async () => {
  const stop = new AbortController()
  let times = 0
  const waiting = reachable(
    () => {
      times += 1
      return refused()
    },
    { log: { warn: () => stop.abort() }, signal: stop.signal, patienceMs: Number.POSITIVE_INFINITY },
  )
  await expect(waiting).rejects.toMatchObject({ name: 'DatabaseAway' })
  expect(times).toBe(2)
})

it('leaves a database that answers with a refusal to whoever asked', async () => {
  const denied = Object.assign(new Error('password authentication failed'), { code: '28P01' })
  await expect(reachable(() => Promise.reject(denied), { log: { warn: () => undefined }, signal: never })).rejects.toBe(denied)
})
