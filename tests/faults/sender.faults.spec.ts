import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { newMasterKey, startProcess, type Process } from '../support/sending.ts'
import { randomFrom } from './scenario.ts'

// 40 kills take two minutes; SENDER_KILLS=500 is the long run.
const kills = Number(process.env['SENDER_KILLS'] ?? 40)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const random = randomFrom(seed)
const program = fileURLToPath(new URL('sender-process.ts', import.meta.url))
const masterKey = newMasterKey()
const tenantId = randomUUID()
const channelIds = ['200000000000002', '200000000000003', '200000000000004']
const conversationsEach = 25

let database: TestDatabase
let simulator: Simulator
let here: Process

beforeAll(async () => {
  database = await freshDatabase()
  simulator = await startSimulator({ appSecret: 's', verifyToken: 'v' })
  for (const id of channelIds) simulator.addNumber({ waba_id: '200000000000001', phone_number_id: id })
  simulator.addToken({ token: 'a-token-of-the-test' })
  // The window and the limit per person are not what is tried here. The pause makes that most kills find calls under way.
  simulator.setSwitches({ window: 'off', pair_limit: false, throughput_per_second: 0, response_delay_ms: 20, response_jitter_ms: 150 })
  here = await startProcess({ url: database.url, masterKey })
})
afterAll(async () => {
  await here.close()
  await simulator.close()
  await database.drop()
})

async function startChild(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, database.url, masterKey.toString('hex'), simulator.url], { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return child
}
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

it(`sends nothing twice and loses nothing, whenever its process is killed (${kills} kills, seed ${seed})`, async () => {
  const conversations = await Promise.all(
    channelIds.flatMap((channelId) =>
      Array.from({ length: conversationsEach }, async (_, index) => ({
        channelId,
        ...(await here.openConversation(tenantId, channelId, `57300${channelId.slice(-1)}55${String(index).padStart(4, '0')}`)),
      })),
    ),
  )
  const queued = new Map<string, string>()
  const feeding = new AbortController()
  async function feed(): Promise<void> {
    while (!feeding.signal.aborted) {
      const one = conversations[Math.floor(random() * conversations.length)]
      if (one !== undefined) queued.set(await here.queue(tenantId, one.channelId, one, `nth ${queued.size}`), one.id)
      await sleep(random() * 20)
    }
  }

  // Two senders at a time: who is killed leaves work for the other, which may have been waiting for the lease all along.
  const children = [await startChild(), await startChild()]
  const fed = feed()
  async function killOne(): Promise<void> {
    await sleep(random() * 1_500)
    const { rows } = await here.pool.query<{ owner: string }>(
      'select owner from work.channel_leases where owner is not null order by random() limit 1',
    )
    const busy = children.findIndex(({ pid }) => rows[0]?.owner.startsWith(`test ${pid} `))
    const victim = busy === -1 ? Math.floor(random() * 2) : busy
    const child = children[victim]
    if (child !== undefined) await kill(child)
    children[victim] = await startChild()
  }
  for (let nth = 0; nth < kills; nth++) await killOne()
  // A run in which no kill met a call would prove nothing; so on a machine where none did, some more.
  const unknown = async (): Promise<number> => (await here.outbox()).filter(({ state }) => state === 'unknown').length
  for (let more = 0; more < 3 * kills && (await unknown()) === 0; more++) await killOne()
  feeding.abort()
  await fed
  // And who is left goes on: a last message for everybody, which nothing disturbs.
  const last = await Promise.all(conversations.map((one) => here.queue(tenantId, one.channelId, one, 'the last')))
  for (const [nth, id] of last.entries()) queued.set(id, conversations[nth]?.id ?? '')
  await expect
    .poll(async () => (await here.outbox()).filter(({ state }) => state === 'queued' || state === 'sending').length, {
      timeout: 300_000,
      interval: 500,
    })
    .toBe(0)
  await Promise.all(children.map(kill))

  const outcomes = { accepted: 0, unknown: 0, unknownButSent: 0 }
  const listed = new Set((await here.outbox()).filter(({ state }) => state === 'unknown').map((row) => row.message_id))
  const sent = new Map(simulator.sentMessages().map((message) => [message.callback_data ?? '', message]))
  const attempts = await here.pool.query<{ id: string; attempts: number; results: string[] }>(
    `select data->>'messageId' as id, count(*) filter (where type = 'SendAttempted')::int as attempts,
       array_agg(type order by position) filter (where type not in ('MessageQueued', 'SendAttempted')) as results
     from es.events where type like 'Send%' or type = 'MessageQueued' group by 1`,
  )
  expect(attempts.rows).toHaveLength(queued.size)
  for (const { id, results } of attempts.rows) {
    const last = results.at(-1)
    expect(['SendAccepted', 'SendOutcomeUnknown'], `${id}: ${results.join(', ')}`).toContain(last)
    if (last === 'SendAccepted') {
      outcomes.accepted++
      expect(sent.has(id), `${id} is accepted and was never sent`).toBe(true)
      expect(listed.has(id)).toBe(false)
    } else {
      outcomes.unknown++
      if (sent.has(id)) outcomes.unknownButSent++
      expect(listed.has(id), `${id} is unknown and not listed`).toBe(true)
    }
  }
  console.log(JSON.stringify({ seed, kills, messages: queued.size, ...outcomes, sent: simulator.sentMessages().length }))
  expect(simulator.duplicates().data.filter(({ count }) => count > 1)).toEqual([])
  expect(simulator.sentMessages()).toHaveLength(sent.size)
  expect(outcomes.unknown).toBeGreaterThan(0)
  expect(last.filter((id) => !sent.has(id) || listed.has(id))).toEqual([])
})
