import { EventStoreDBClient, excludeSystemEvents } from '@eventstore/db-client'
import { describe, expect, it } from 'vitest'
import { allOf, credentials, eventually, failure, note, notes, startPlayground, textsOf } from './house.ts'
import { refusals } from './refusals.ts'

/** A live subscription and what becomes of it. */
async function live(client: EventStoreDBClient) {
  const subscription = client.subscribeToAll({ filter: excludeSystemEvents({ maxSearchWindow: 1000 }) })
  const happened: string[] = []
  const errors: (Error & { code?: number; type?: string })[] = []
  subscription.on('error', (error) => errors.push(error))
  for (const event of ['end', 'close'] as const) subscription.on(event, () => happened.push(event))
  const seen: unknown[] = []
  subscription.on('data', ({ event }) => seen.push(event?.data))
  await new Promise((done) => subscription.once('caughtUp', () => done(undefined)))
  return { subscription, errors, happened, seen }
}

describe('a server that goes away', () => {
  it('by kill -9 fails its subscriptions with code 14 and leaves their objects open; the same client works on when it is back', async () => {
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', note('before'), { credentials })
    const { subscription, errors, happened } = await live(client)
    await double.kill()
    await eventually(() => expect(errors[0]).toMatchObject({ type: 'unavailable', code: 14 }))
    expect(happened).toEqual([])
    expect(subscription.destroyed).toBe(false)
    // While it is away: a plain error with a code on the batch path (from the question for capabilities).
    const away = await failure(client.appendToStream('s', note()))
    expect(away).toMatchObject({ code: 14 })
    await double.start()
    await eventually(async () => client.appendToStream('s', note('after'), { expectedRevision: 0n, credentials }))
    expect(textsOf(await allOf(client.readStream('s')))).toEqual(['before', 'after'])
    await stop()
  })

  it('by SIGTERM closes its port at once and ends subscriptions later, without a status: code 13', async () => {
    const { client, double, stop } = await startPlayground()
    const { errors, seen } = await live(client)
    let gone = false
    const leaving = double.leave(300).then(() => {
      gone = true
    })
    await expect(fetch(`http://${double.host}:${double.port}/health/live`)).rejects.toThrow()
    expect(gone).toBe(false)
    expect(errors).toEqual([])
    await leaving
    await eventually(() =>
      expect(errors[0]).toMatchObject({
        type: 'unknown',
        code: 13,
        message: '13 INTERNAL: Received RST_STREAM with code 0 (Call ended without gRPC status)',
      }),
    )
    expect(seen).toEqual([])
    await double.start()
    await stop()
  })

  it('is not ready for a while after its start, and says so in three ways', async () => {
    const { double, stop } = await startPlayground()
    await double.kill()
    await stop()
    const young = await startPlayground({ notReadyForMs: 30_000 })
    const health = await fetch(`http://${young.double.host}:${young.double.port}/health/live`)
    expect(health.status).toBe(503)
    expect(await failure(young.client.appendToStream('s', note(), { credentials }))).toMatchObject({
      type: 'unavailable',
      code: 14,
      message: '14 UNAVAILABLE: Server Is Not Ready',
    })
    expect(await failure(allOf(young.client.readStream('s')))).toMatchObject({ type: 'unavailable', code: 14 })
    expect(await failure(young.client.appendToStream('s', note()))).toMatchObject({
      type: 'unknown',
      code: undefined,
      message: 'Could not recognize Server Is Not Ready',
    })
    await young.stop()
  })

  it('answers over HTTP on the same port, and tells its version and that it leads', async () => {
    const { client, double, stop } = await startPlayground()
    const get = async (path: string) => fetch(`http://${double.host}:${double.port}${path}`)
    expect((await get('/health/live')).status).toBe(204)
    expect(await (await get('/info')).json()).toMatchObject({ esVersion: '23.10.6', state: 'leader' })
    expect((await get('/streams/s')).status).toBe(404)
    const discovering = EventStoreDBClient.connectionString(`esdb+discover://${double.host}:${double.port}?tls=false`)
    await discovering.appendToStream('s', note('found it'))
    expect(textsOf(await allOf(client.readStream('s')))).toEqual(['found it'])
    await discovering.dispose()
    await stop()
  })
})

describe('told to misbehave, the double', () => {
  it('hangs: the deadline is the client’s on the classic path, and nothing is stored', async () => {
    const { client, double, stop } = await startPlayground()
    const behave = double.misbehave({ kind: 'hang', on: ['append'] })
    expect(await failure(client.appendToStream('s', note(), { credentials, deadline: 100 }))).toMatchObject({ type: 'deadline-exceeded', code: 4 })
    behave()
    expect(double.log().some(({ stream }) => stream === 's')).toBe(false)
    await client.appendToStream('s', note(), { credentials })
    await stop()
  })

  it('loses an answer after storing: a repeat with the same ids and the original revision tells', async () => {
    const { client, double, stop } = await startPlayground()
    const event = note('once')
    const append = async (deadline = 5000) => client.appendToStream('s', event, { expectedRevision: 'no_stream', credentials, deadline })
    const behave = double.misbehave({ kind: 'lose-answer', on: ['append'] })
    const lost = failure(append(3000))
    await eventually(() => expect(double.log().at(-1)).toMatchObject({ stream: 's' }))
    expect(await lost).toMatchObject({ code: 4 })
    behave()
    double.misbehave({ kind: 'store-then', with: 'reset', on: ['append'], times: 1 })
    const other = note('twice')
    expect(await failure(client.appendToStream('t', other, { expectedRevision: 'no_stream', credentials }))).toMatchObject({ code: 14 })
    await eventually(async () => expect(await append()).toMatchObject({ nextExpectedRevision: 0n }))
    expect(await client.appendToStream('t', other, { expectedRevision: 'no_stream', credentials })).toMatchObject({ nextExpectedRevision: 0n })
    expect(double.log().filter(({ stream }) => stream === 's' || stream === 't')).toHaveLength(2)
    await stop()
  })

  it('times out for what it stored, answers late, or resets before storing', async () => {
    const { client, double, stop } = await startPlayground()
    double.misbehave({ kind: 'store-then', with: refusals.commitTimeout, on: ['append'], times: 1 })
    expect(await failure(client.appendToStream('s', note(), { credentials }))).toMatchObject({ type: 'timeout', code: 10 })
    double.misbehave({ kind: 'late', ms: 50, on: ['append'], times: 1 })
    expect(await client.appendToStream('s', note(), { credentials, expectedRevision: 0n })).toMatchObject({ nextExpectedRevision: 1n })
    double.misbehave({ kind: 'reset', on: ['append'], times: 1 })
    expect(await failure(client.appendToStream('s', note(), { credentials }))).toMatchObject({ code: 14 })
    expect(double.log().filter(({ stream }) => stream === 's')).toHaveLength(2)
    await stop()
  })

  it('is not the leader: the client goes where it is sent by itself', async () => {
    const [follower, leader] = [await startPlayground(), await startPlayground()]
    follower.double.misbehave({ kind: 'refuse', with: refusals.notLeader(leader.double.host, leader.double.port), on: ['append'] })
    const error = await failure(follower.client.appendToStream('s', note(), { credentials }))
    expect(error).toMatchObject({ type: 'not-leader', code: 5, leader: { address: leader.double.host, port: leader.double.port } })
    await eventually(async () => follower.client.appendToStream('s', note('there'), { credentials }))
    expect(textsOf(await allOf(leader.client.readStream('s')))).toEqual(['there'])
    await follower.stop()
    await leader.stop()
  })

  it('denies access', async () => {
    const { client, double, stop } = await startPlayground()
    double.misbehave({ kind: 'refuse', with: refusals.accessDenied })
    for (const call of [
      async () => client.appendToStream('s', note(), { credentials }),
      async () => allOf(client.readStream('s')),
      async () => allOf(client.subscribeToAll()),
    ])
      expect(await failure(call())).toMatchObject({ type: 'access-denied', code: 7 })
    await stop()
  })

  it('ends a subscription with OK in the middle, without a status, as too slow, or falls silent', async () => {
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', notes(10))
    const watched = async (how: 'ok' | 'no-status' | 'too-slow' | 'silence') => {
      double.misbehave({ kind: 'end', after: 4, how, on: ['subscribe'], times: 1 })
      const subscription = client.subscribeToAll({ filter: excludeSystemEvents({ maxSearchWindow: 1000 }) })
      let seen = 0
      const outcome = new Promise<string>((done) => {
        subscription.on('end', () => done('end'))
        subscription.on('error', (error: Error & { code?: number }) => done(String(error.code)))
        subscription.on('data', () => {
          seen += 1
          if (how === 'silence' && seen === 4) done('nothing more')
        })
      })
      const said = await outcome
      expect(seen).toBe(4)
      subscription.destroy()
      return said
    }
    expect(await watched('ok')).toBe('end')
    expect(await watched('no-status')).toBe('13')
    expect(await watched('too-slow')).toBe('10')
    expect(await watched('silence')).toBe('nothing more')
    const { errors } = await live(client)
    double.overflowSubscriptions()
    await eventually(() => expect(errors[0]).toMatchObject({ code: 10 }))
    await stop()
  })

  it('ends a read early as if it were whole', async () => {
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', notes(10))
    const ended = double.misbehave({ kind: 'end', after: 3, how: 'ok', on: ['read'] })
    expect(await allOf(client.readStream('s'))).toHaveLength(3)
    ended()
    expect(await allOf(client.readStream('s'))).toHaveLength(10)
    await stop()
  })

  it('freezes: nothing is heard until it thaws, and what was sent is there then', async () => {
    const { client, double, stop } = await startPlayground()
    await client.appendToStream('s', note(), { credentials })
    const thaw = double.freeze()
    expect(await failure(client.appendToStream('s', note('gave up'), { credentials, deadline: 200 }))).toMatchObject({ code: 4 })
    const patient = client.appendToStream('t', note('waited'), { credentials, deadline: 30_000 })
    thaw()
    await patient
    // The deadline cancelled the first call before the server woke: it is not stored.
    expect(textsOf(await allOf(client.readStream('s')))).not.toContain('gave up')
    await stop()
  })
})
