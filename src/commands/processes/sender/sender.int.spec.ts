import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { createFakeProvider, newMasterKey, startProcess, type FakeProvider, type Process } from '../../../../tests/support/sending.ts'
import { StoreUnavailable, type EventStore } from '../../../domain/kernel/event-store.ts'
import { createCommands } from '../../kernel/execute.ts'
import { conversation } from '../../../domain/conversation/conversation.ts'
import type { SendOutcome } from '../../ports/cloud-api.ts'
import { takeChannels } from './channel-leases.ts'
import type { SenderOptions } from './sender.ts'

const masterKey = newMasterKey()
const tenantId = randomUUID()
let database: TestDatabase
let here: Process
let there: Process
let provider: FakeProvider
let channelId: string
let stops: (() => Promise<void>)[] = []

beforeAll(async () => {
  database = await freshDatabase()
  here = await startProcess({ url: database.url, masterKey })
  there = await startProcess({ url: database.url, masterKey })
})
beforeEach(() => {
  provider = createFakeProvider()
  channelId = randomUUID()
})
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()))
  stops = []
  await here.pool.query('delete from work.outbox')
})
afterAll(async () => {
  await Promise.all([here.close(), there.close()])
  await database.drop()
})

function startIn(where: Process, options: Partial<SenderOptions> = {}) {
  const sender = where.startSender({ cloudApi: provider.api, ...options })
  stops.push(sender.stop)
  return sender
}
const rejected = (code: number, status = 400): SendOutcome => ({ outcome: 'rejected', error: { code, status, message: 'no' } })
const someone = (channel = channelId) => here.openConversation(tenantId, channel, `549${Math.floor(Math.random() * 1e10)}`)
const texts = () => provider.calls.map(({ text }) => text)
const eventsBecome = (messageId: string, events: string[]) => expect.poll(() => here.eventsOf(messageId)).toEqual(events)
const ofChannel = async (type: string, data: Record<string, unknown>) =>
  here.store.append({
    stream: { tenantId, category: 'channel', id: channelId },
    expected: 'any',
    events: [
      {
        id: randomUUID(),
        type,
        schemaVersion: 1,
        data,
        meta: { occurredAt: new Date().toISOString(), correlationId: 'c', causationId: 'c', actor: { kind: 'user', id: 'u' } },
      },
    ],
  })

const connectAgain = async () => ofChannel('ChannelConnected', { verified: true, facts: {} })

describe('sending', () => {
  it('records the attempt, calls with the opened text and address, and records the answer', async () => {
    startIn(here)
    const ana = await here.openConversation(tenantId, channelId, '5491122334455')
    const messageId = await here.queue(tenantId, channelId, ana, 'Hola Ana')
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    expect(provider.calls).toMatchObject([{ messageId, text: 'Hola Ana', to: { waId: '5491122334455' }, token: 'token' }])
    expect(await here.messageOf(tenantId, ana.id, messageId)).toMatchObject({ stage: 'accepted', providerId: `wamid.${messageId}.1` })
    await expect.poll(() => here.outbox()).toEqual([])
  })

  it('begins right after the message is in the log, not with the next poll', async () => {
    // The next poll is in an hour: whatever is sent before the test gives up was not found by it.
    startIn(here, { times: { leaseMs: 60_000, pollMs: 3_600_000 } })
    const ana = await someone()
    await here.queue(tenantId, channelId, ana, 'first')
    await expect.poll(() => provider.calls.length, { interval: 5 }).toBe(1)
    await here.queue(tenantId, channelId, ana, 'second')
    await expect.poll(texts).toEqual(['first', 'second'])
  })

  it('keeps the order of each conversation while others overtake it', async () => {
    const [ana, berta] = [await someone(), await someone()]
    const gate = Promise.withResolvers<void>()
    provider.answer = async ({ text }) => {
      if (text === 'a1') await gate.promise
      return undefined
    }
    startIn(here)
    for (const text of ['a1', 'a2', 'a3']) await here.queue(tenantId, channelId, ana, text)
    for (const text of ['b1', 'b2']) await here.queue(tenantId, channelId, berta, text)
    await expect.poll(texts).toEqual(expect.arrayContaining(['a1', 'b1', 'b2']))
    expect(texts()).not.toContain('a2')
    gate.resolve()
    await expect.poll(() => texts().filter((text) => text.startsWith('a'))).toEqual(['a1', 'a2', 'a3'])
  })

  it('sends what was queued while nobody was there, agents first', async () => {
    await here.queueMany(tenantId, channelId, 5, 'campaign')
    const ana = await someone()
    await here.queue(tenantId, channelId, ana, 'from an agent')
    startIn(here, { limits: { perSecond: 1_000, pair: { perSecond: 1, burst: 10 }, atOnce: 1 } })
    await expect.poll(() => provider.calls.length).toBe(6)
    expect(texts()[0]).toBe('from an agent')
  })
})

describe('an answer that is not "accepted"', () => {
  it('defers what a limit refused, holds the conversation in order, and sends it later', async () => {
    provider.answer = (_, nth) => (nth === 1 ? rejected(131056) : undefined)
    startIn(here)
    const ana = await someone()
    const first = await here.queue(tenantId, channelId, ana, 'first')
    await here.queue(tenantId, channelId, ana, 'second')
    await eventsBecome(first, ['MessageQueued', 'SendAttempted', 'SendDeferred', 'SendAttempted', 'SendAccepted'])
    await expect.poll(texts).toEqual(['first', 'first', 'second'])
  })

  it('fails what no repeat can mend and goes on with the next one', async () => {
    provider.answer = ({ text }) => (text === 'bad' ? rejected(131026) : undefined)
    startIn(here)
    const ana = await someone()
    const bad = await here.queue(tenantId, channelId, ana, 'bad')
    const good = await here.queue(tenantId, channelId, ana, 'good')
    await eventsBecome(good, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    await eventsBecome(bad, ['MessageQueued', 'SendAttempted', 'SendFailed'])
    await expect.poll(() => here.outbox()).toMatchObject([{ message_id: bad, state: 'failed', attempt: 1 }])
  })

  it('never repeats what may have gone out by itself, and repeats it when somebody asks for it', async () => {
    provider.answer = (_, nth) => (nth === 1 ? { outcome: 'unknown', reason: 'time-out' } : undefined)
    startIn(here)
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendOutcomeUnknown'])
    await expect.poll(() => here.outbox()).toMatchObject([{ message_id: messageId, state: 'unknown' }])
    await sleep(500)
    expect(provider.calls).toHaveLength(1)
    await here.commands.execute(conversation, ana.id, { type: 'retry', messageId }, here.context(tenantId))
    await expect.poll(() => provider.calls.length).toBe(2)
    await expect.poll(() => here.outbox()).toEqual([])
  })

  it('takes a message of unknown outcome out of the outbox when a status proves that it arrived', async () => {
    provider.answer = () => ({ outcome: 'unknown', reason: 'connection reset' })
    startIn(here)
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    await expect.poll(() => here.outbox()).toMatchObject([{ state: 'unknown' }])
    const status = { type: 'recordStatus', messageId, providerId: 'wamid.x', status: 'delivered', at: new Date().toISOString() } as const
    await here.commands.execute(conversation, ana.id, status, here.context(tenantId))
    await expect.poll(() => here.outbox()).toEqual([])
    expect(await here.messageOf(tenantId, ana.id, messageId)).toMatchObject({ stage: 'accepted', providerId: 'wamid.x' })
  })

  it('sends again what the provider took and reported as failed, though it had left the outbox', async () => {
    startIn(here)
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'again')
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    await expect.poll(() => here.outbox()).toEqual([])
    const report = { type: 'recordStatus', messageId, providerId: `wamid.${messageId}.1`, status: 'failed', at: new Date().toISOString() } as const
    await here.commands.execute(conversation, ana.id, report, here.context(tenantId))
    await here.commands.execute(conversation, ana.id, { type: 'retry', messageId }, here.context(tenantId))
    await expect.poll(texts).toEqual(['again', 'again'])
    await expect.poll(() => here.outbox()).toEqual([])
    expect(await here.messageOf(tenantId, ana.id, messageId)).toMatchObject({ stage: 'accepted', attempt: 2 })
  })

  it('takes what a person says of an unknown outcome for true', async () => {
    provider.answer = () => ({ outcome: 'unknown', reason: 'time-out' })
    startIn(here)
    const ana = await someone()
    const arrived = await here.queue(tenantId, channelId, ana, 'arrived')
    const lost = await here.queue(tenantId, channelId, ana, 'lost')
    await expect.poll(async () => (await here.outbox()).map(({ state }) => state)).toEqual(['unknown', 'unknown'])
    const say = async (messageId: string, as: 'sent' | 'failed') =>
      here.commands.execute(
        conversation,
        ana.id,
        { type: 'resolve', messageId, as, by: 'person', at: new Date().toISOString() },
        here.context(tenantId),
      )
    await say(arrived, 'sent')
    await say(lost, 'failed')
    await expect.poll(() => here.outbox()).toMatchObject([{ message_id: lost, state: 'failed' }])
  })

  it('does not send again what turns out to have arrived while it waits for another try', async () => {
    provider.answer = (_, nth) => (nth === 1 ? { outcome: 'unknown', reason: 'time-out' } : undefined)
    const gates = [Promise.resolve(), Promise.withResolvers<void>()] as const
    let asked = 0
    startIn(here, {
      accountOf: async (_, channel) => {
        await (asked++ === 0 ? gates[0] : gates[1].promise)
        return { phoneNumberId: channel, wabaId: 'w', accessToken: 'token' }
      },
    })
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    await expect.poll(() => here.outbox()).toMatchObject([{ state: 'unknown' }])
    await here.commands.execute(conversation, ana.id, { type: 'retry', messageId }, here.context(tenantId))
    await expect.poll(() => asked).toBe(2)
    const status = { type: 'recordStatus', messageId, providerId: 'wamid.x', status: 'delivered', at: new Date().toISOString() } as const
    await here.commands.execute(conversation, ana.id, status, here.context(tenantId))
    gates[1].resolve()
    await expect.poll(() => here.outbox()).toEqual([])
    await sleep(300)
    expect(provider.calls).toHaveLength(1)
  })

  it('stops the channel and no other when the token is refused, tells of it once, and goes on when it is connected again', async () => {
    const other = randomUUID()
    const told: string[] = []
    let token = 'old'
    provider.answer = (call) => (call.token === 'old' ? rejected(190, 401) : undefined)
    startIn(here, {
      accountOf: async (_, channel) => ({ phoneNumberId: channel, wabaId: 'w', accessToken: channel === other ? 'good' : token }),
      onChannelTrouble: ({ channelId }, error) => told.push(`${channelId} ${error.code}`),
      limits: { perSecond: 1_000, pair: { perSecond: 1, burst: 10 }, atOnce: 2 },
    })
    await here.queueMany(tenantId, channelId, 20)
    await here.queueMany(tenantId, other, 5)
    await expect.poll(() => provider.calls.filter((call) => call.token === 'good').length).toBe(5)
    await expect.poll(() => told).toEqual([`${channelId} provider_190`])
    await sleep(300)
    expect(provider.calls.filter((call) => call.token === 'old').length).toBeLessThanOrEqual(2)
    token = 'new'
    await connectAgain()
    await expect.poll(() => provider.calls.filter((call) => call.token === 'new').length).toBe(20)
    await expect.poll(() => here.outbox()).toEqual([])
  })

  describe('that concerns the whole account', () => {
    const twoAtOnce = { perSecond: 1_000, pair: { perSecond: 1, burst: 10 }, atOnce: 2 }
    const minutes = (n: number) => n * 60_000

    it('burns no message: one tries again after a while, and all go out when Meta takes it', async () => {
      const told: string[] = []
      let [mended, passed] = [false, 0]
      provider.answer = () => (mended ? undefined : rejected(131042))
      startIn(here, {
        clock: () => new Date(Date.now() + passed),
        onChannelTrouble: (_, { code }) => told.push(code),
        onChannelWell: () => told.push('well'),
        limits: twoAtOnce,
      })
      await here.queueMany(tenantId, channelId, 10)
      await expect.poll(() => told).toEqual(['provider_131042'])
      const queued = async () => (await here.outbox()).filter(({ state }) => state === 'queued').length
      await expect.poll(queued).toBe(10)
      await sleep(300)
      const refused = provider.calls.length
      expect(refused).toBeLessThanOrEqual(2)

      // The renewal of the lease, once a second, finds out that the clock has moved on.
      passed += minutes(14)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(refused)
      passed += minutes(1)
      await expect.poll(() => provider.calls.length).toBe(refused + 1)
      passed += minutes(16)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(refused + 1)
      expect(await queued()).toBe(10)

      mended = true
      passed += minutes(14)
      await expect.poll(() => here.outbox()).toEqual([])
      expect(provider.calls).toHaveLength(refused + 1 + 10)
      expect(told).toEqual(['provider_131042', 'well'])
    })

    it('is not over because of what was on its way already when it came', async () => {
      const told: string[] = []
      let passed = 0
      provider.answer = async (_, nth) => {
        if (nth !== 2) return rejected(131048)
        await expect.poll(() => told).toEqual(['provider_131048'])
        return undefined
      }
      startIn(here, {
        clock: () => new Date(Date.now() + passed),
        onChannelTrouble: (_, { code }) => told.push(code),
        onChannelWell: () => told.push('well'),
        limits: twoAtOnce,
      })
      await here.queueMany(tenantId, channelId, 5)
      await expect.poll(async () => (await here.outbox()).length).toBe(4)
      passed += minutes(15)
      await expect.poll(() => provider.calls.length).toBe(3)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(3)
      expect(told).toEqual(['provider_131048'])
    })

    it('tries again at once when somebody connects the channel, and tells again when that did not help', async () => {
      const told: string[] = []
      let mended = false
      provider.answer = () => (mended ? undefined : rejected(131031, 403))
      startIn(here, { onChannelTrouble: (_, { code }) => told.push(code), limits: twoAtOnce })
      await here.queueMany(tenantId, channelId, 10)
      await expect.poll(() => told).toEqual(['provider_131031'])
      await expect.poll(async () => (await here.outbox()).filter(({ state }) => state === 'queued').length).toBe(10)
      await sleep(300)
      const refused = provider.calls.length
      await connectAgain()
      await expect.poll(() => told).toEqual(['provider_131031', 'provider_131031'])
      await sleep(300)
      expect(provider.calls).toHaveLength(refused + 1)
      mended = true
      await connectAgain()
      await expect.poll(() => here.outbox()).toEqual([])
      expect(provider.calls).toHaveLength(refused + 1 + 10)
    })

    it('is the same when reports tell of it, and over when a message that is tried alone is delivered', async () => {
      const told: string[] = []
      let passed = 0
      const options = { clock: () => new Date(Date.now() + passed), onChannelWell: () => told.push('well'), limits: twoAtOnce }
      const inOther = startIn(there, options)
      const ana = await someone()
      const first = await here.queue(tenantId, channelId, ana, 'taken')
      await eventsBecome(first, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
      told.length = 0
      const error = { code: 'provider_131042', title: 'There is a problem with the payment' }
      await ofChannel('ChannelCheckFailed', { error, credentials: false, reported: true })
      await expect.poll(() => inOther.stats().paused).toBe(1)
      const waiting = new Map<string, string>()
      for (const text of ['one', 'two', 'three']) {
        const somebody = await someone()
        waiting.set(await here.queue(tenantId, channelId, somebody, text), somebody.id)
      }
      await expect.poll(async () => (await here.outbox()).length).toBe(3)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(1)
      // Who takes the channel over knows it too.
      await inOther.stop()
      startIn(here, options)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(1)

      passed += minutes(15)
      await expect.poll(() => provider.calls.length).toBe(2)
      await sleep(1_300)
      expect(provider.calls).toHaveLength(2)
      expect(told).toEqual([])
      const messageId = provider.calls[1]?.messageId ?? ''
      const delivered = {
        type: 'recordStatus',
        messageId,
        providerId: `wamid.${messageId}.2`,
        status: 'delivered',
        at: new Date().toISOString(),
      } as const
      await here.commands.execute(conversation, waiting.get(messageId) ?? '', delivered, here.context(tenantId))
      await expect.poll(() => told, { timeout: 20_000 }).toEqual(['well'])
      await expect.poll(() => here.outbox(), { timeout: 20_000 }).toEqual([])
      expect(provider.calls).toHaveLength(4)
      expect(told).toEqual(['well'])
    })

    it('is a pause and an end that is told where reports speak of a limit', async () => {
      const told: string[] = []
      // Stands still while the pause is looked at, however long that takes.
      let stopped: number | undefined
      const { stats } = startIn(here, {
        clock: () => new Date(stopped ?? Date.now()),
        onChannelWell: () => told.push('well'),
        limits: twoAtOnce,
        random: () => 0.9,
      })
      const first = await here.queue(tenantId, channelId, await someone(), 'taken')
      await eventsBecome(first, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
      await expect.poll(() => told).toEqual(['well'])
      stopped = Date.now()
      await ofChannel('ChannelCheckFailed', { error: { code: 'provider_130429', title: 'Too fast' }, credentials: false, reported: true })
      await expect.poll(() => stats().paused).toBe(1)
      stopped = undefined
      await here.queue(tenantId, channelId, await someone(), 'later')
      await expect.poll(() => here.outbox()).toEqual([])
      await expect.poll(() => told).toEqual(['well', 'well'])
    })

    it('is not what an error of one recipient is: the others go on and nobody is told', async () => {
      const told: string[] = []
      provider.answer = (_, nth) => (nth === 1 ? rejected(131030) : undefined)
      startIn(here, { onChannelTrouble: (_, { code }) => told.push(code), limits: twoAtOnce })
      await here.queueMany(tenantId, channelId, 10)
      await expect.poll(() => provider.calls.length).toBe(10)
      await expect.poll(async () => (await here.outbox()).map(({ state }) => state)).toEqual(['failed'])
      expect(told).toEqual([])
    })
  })

  it('lets messages of a channel that is not connected wait without an attempt', async () => {
    const told: string[] = []
    startIn(here, { accountOf: async () => undefined, onChannelTrouble: (_, { code }) => told.push(code) })
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'later')
    await expect.poll(() => told).toEqual(['channel_not_connected'])
    expect(await here.eventsOf(messageId)).toEqual(['MessageQueued'])
  })

  it('fails a message whose contact was erased, without a call', async () => {
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'for nobody')
    await here.pool.query(`update keyring.subject_keys set wrapped_key = null, destroyed_at = clock_timestamp() where subject = $1`, [ana.contactId])
    const third = await startProcess({ url: database.url, masterKey })
    startIn(third)
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendFailed'])
    expect(provider.calls).toEqual([])
    await stops.pop()?.()
    await third.close()
  })
})

describe('files on their way to Meta', () => {
  it('of one tenant do not hold up the next message of another', async () => {
    const slow = randomUUID()
    const line = Promise.withResolvers<void>()
    await here.queueMany(slow, channelId, 100)
    let uploading = 0
    startIn(here, {
      limits: { perSecond: 1_000, pair: { perSecond: 1, burst: 45 }, atOnce: 384 },
      media: {
        async resolve(_account, message, options) {
          if (message.tenantId === slow) {
            options?.onUpload?.()
            uploading++
            await line.promise
          }
          return { object: message.object }
        },
        forget: async () => false,
      },
    })
    await expect.poll(() => uploading).toBe(100)
    const [reply] = await here.queueMany(tenantId, randomUUID(), 1)
    await expect.poll(() => provider.calls.map(({ messageId }) => messageId)).toEqual([reply])
    line.resolve()
    await expect.poll(() => provider.calls.length).toBe(101)
  })
})

describe('several processes', () => {
  it('send every message once, whoever queued it and whoever writes the outbox', async () => {
    startIn(here)
    startIn(there)
    const channels = Array.from({ length: 4 }, () => randomUUID())
    const queued = (await Promise.all(channels.map((channel, index) => (index % 2 === 0 ? here : there).queueMany(tenantId, channel, 25)))).flat()
    await expect.poll(() => provider.calls.length).toBe(100)
    await expect.poll(() => here.outbox()).toEqual([])
    expect(new Set(provider.calls.map(({ messageId }) => messageId))).toEqual(new Set(queued))
  })

  it('leave a channel to its sender, and take it when the lease of a lost one has lapsed', async () => {
    const takenAt = Date.now()
    await takeChannels(here.pool, 'a process that died', [{ tenantId, channelId }], 1_500)
    startIn(here)
    const ana = await someone()
    await here.queue(tenantId, channelId, ana, 'patience')
    await expect.poll(() => provider.calls.length).toBe(1)
    // The lease is on the clock of the database, which may be another one by a little.
    expect(provider.calls[0]?.at).toBeGreaterThan(takenAt + 1_400)
  })

  it('record as unknown what a lost one left between attempt and answer, and never send it again', async () => {
    const ana = await someone()
    const left = await here.queue(tenantId, channelId, ana, 'left behind')
    const next = await here.queue(tenantId, channelId, ana, 'next')
    await here.commands.execute(conversation, ana.id, { type: 'recordAttempt', messageId: left, attempt: 1 }, here.context(tenantId))
    startIn(there)
    await eventsBecome(left, ['MessageQueued', 'SendAttempted', 'SendOutcomeUnknown'])
    await eventsBecome(next, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    expect(texts()).toEqual(['next'])
  })

  it('keep to the limits of a pair from where the one before them stopped', async () => {
    const limits = { perSecond: 1_000, pair: { perSecond: 1 / 3_600, burst: 3 }, atOnce: 10 }
    const first = startIn(here, { limits })
    const [ana, berta] = [await someone(), await someone()]
    for (const text of ['a1', 'a2', 'a3', 'a4']) await here.queue(tenantId, channelId, ana, text)
    await expect.poll(texts).toEqual(['a1', 'a2', 'a3'])
    await first.stop()
    // Ana's fourth waits longer than Berta's first, and would go before it.
    await here.queue(tenantId, channelId, berta, 'b1')
    startIn(there, { limits })
    await expect.poll(texts).toEqual(['a1', 'a2', 'a3', 'b1'])
  })

  it('do not both call when both hold the channel and try the message at the same moment', async () => {
    const gate = Promise.withResolvers<void>()
    const ready: string[] = []
    const options = (name: string): Partial<SenderOptions> => ({
      times: { leaseMs: 60_000, pollMs: 100 },
      accountOf: async (_, channel) => {
        ready.push(name)
        await gate.promise
        return { phoneNumberId: channel, wabaId: 'w', accessToken: name }
      },
    })
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    startIn(here, options('here'))
    await expect.poll(() => ready).toEqual(['here'])
    await here.pool.query('delete from work.channel_leases where channel_id = $1', [channelId])
    startIn(there, options('there'))
    await expect.poll(() => ready).toEqual(['here', 'there'])
    gate.resolve()
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    await sleep(200)
    expect(provider.calls).toHaveLength(1)
  })
})

describe('the writer of the outbox', () => {
  it('takes over without losing what the one before it wrote and nobody had seen yet', async () => {
    // This one writes the outbox and gets no channel, so the other one sends what it does not write.
    const onlyWrites = {
      connect: async () => here.pool.connect(),
      query: async (query: { name?: string }, ...rest: never[]) =>
        query.name === 'channel_take' ? { rows: [] } : here.pool.query(query as never, ...rest),
    } as unknown as typeof here.pool
    const writer = startIn(here, { pool: onlyWrites })
    const ana = await someone()
    await here.queue(tenantId, channelId, ana, 'first')
    await expect.poll(() => here.outbox()).toHaveLength(1)
    startIn(there, { times: { leaseMs: 2_000, pollMs: 2_500 } })
    await expect.poll(texts).toEqual(['first'])
    const seen = await here.queue(tenantId, channelId, ana, 'second')
    // In the outbox, or sent already: then this machine was too slow to see it there, and it was there all the same.
    const written = async () => texts().includes('second') || (await here.outbox()).some((row) => row.message_id === seen)
    await expect.poll(written, { interval: 5 }).toBe(true)
    await writer.stop()
    await here.queue(tenantId, channelId, ana, 'third')
    await expect.poll(texts).toEqual(['first', 'second', 'third'])
  })
})

describe('trouble with the log', () => {
  /** Appends that hold an event of the type are stored, and the answer is lost on the way, as often as said. */
  function losingAnswers(type: string, times: number) {
    let left = times
    const store: EventStore = {
      ...here.store,
      async append(append) {
        const result = await here.store.append(append)
        if (left > 0 && append.events.some((event) => event.type === type)) {
          left--
          throw new StoreUnavailable('connection', 'the answer got lost')
        }
        return result
      },
    }
    return { store, commands: createCommands({ store, vault: here.vault }) }
  }

  it('calls once when the answer to the recording of its attempt got lost', async () => {
    startIn(here, losingAnswers('SendAttempted', 1))
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
    expect(provider.calls).toHaveLength(1)
  })

  it('records a result once, however often the answer to it gets lost', async () => {
    startIn(here, losingAnswers('SendAccepted', 3))
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'once')
    await expect.poll(() => here.outbox()).toEqual([])
    await sleep(1_000)
    expect(await here.eventsOf(messageId)).toEqual(['MessageQueued', 'SendAttempted', 'SendAccepted'])
    expect(provider.calls).toHaveLength(1)
  })

  it('gives the message to the next one when its lease ran out between the recording and the call', async () => {
    const slow: EventStore = {
      ...here.store,
      async append(append) {
        const result = await here.store.append(append)
        if (append.events.some((event) => event.type === 'SendAttempted')) await sleep(5_000)
        return result
      },
    }
    // Renewals fail, as with a process that was stopped for a while.
    const pool = {
      query: async (query: { name?: string }, ...rest: never[]) => {
        if (query.name === 'channel_renew') throw new Error('no connection')
        return here.pool.query(query as never, ...rest)
      },
      connect: async () => here.pool.connect(),
    } as unknown as typeof here.pool
    startIn(here, { store: slow, commands: createCommands({ store: slow, vault: here.vault }), pool, times: { leaseMs: 5_000, pollMs: 60_000 } })
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'not by me')
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendDeferred'])
    expect(provider.calls).toEqual([])
    startIn(there)
    await eventsBecome(messageId, ['MessageQueued', 'SendAttempted', 'SendDeferred', 'SendAttempted', 'SendAccepted'])
  })
})

describe('a graceful stop', () => {
  it('finishes the calls under way, begins no other, and hands the channel over at once', async () => {
    const gate = Promise.withResolvers<void>()
    provider.answer = async () => {
      await gate.promise
      return undefined
    }
    const sender = startIn(here, { times: { leaseMs: 60_000, pollMs: 200 } })
    const ana = await someone()
    const first = await here.queue(tenantId, channelId, ana, 'first')
    const second = await here.queue(tenantId, channelId, ana, 'second')
    await expect.poll(() => provider.underWay()).toBe(1)
    const stopped = sender.stop()
    await sleep(100)
    gate.resolve()
    await stopped
    expect(await here.eventsOf(first)).toEqual(['MessageQueued', 'SendAttempted', 'SendAccepted'])
    expect(await here.eventsOf(second)).toEqual(['MessageQueued'])
    startIn(there)
    await eventsBecome(second, ['MessageQueued', 'SendAttempted', 'SendAccepted'])
  })

  it('gives up on a call that does not end, and says that its outcome is unknown', async () => {
    provider.answer = () => new Promise<never>(() => undefined)
    const sender = startIn(here, { stopMs: 300 })
    const ana = await someone()
    const messageId = await here.queue(tenantId, channelId, ana, 'stuck')
    await expect.poll(() => provider.underWay()).toBe(1)
    await Promise.race([sender.stop(), sleep(50_000).then(() => expect.unreachable('it did not stop'))])
    expect(await here.eventsOf(messageId)).toEqual(['MessageQueued', 'SendAttempted', 'SendOutcomeUnknown'])
  })
})
