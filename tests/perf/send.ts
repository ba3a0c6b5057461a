import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startProcess } from '../support/sending.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { freePort } from '../support/processes.ts'
import { createInstallation, masterKey, type Neighbour } from './installation.ts'
import { machineLoad } from './load.ts'

export type SendBench = { readonly perSecond: number; readonly replyP50: number; readonly replyWorst: number; readonly replies: number }

const wabaId = '200200200200200'
const fast = { phoneNumberId: '100200300400500', wabaId, accessToken: 'bench-token' }
const slow = { phoneNumberId: '100200300400501', wabaId, accessToken: 'bench-token' }
/** Six messages to each: within what Meta lets one person get at once. */
const perPerson = 6

/**
 * (d) One number with Meta's high level (1,000 messages a second) sends a campaign that was queued while no worker ran, and meanwhile an agent of another
 * organisation answers a customer, three times a second. One process of Recado with all its read models, PostgreSQL and the simulator share the machine;
 * the simulator answers after 20 to 60 ms and sends no webhooks back. A reply's time runs from the request to the moment the simulator has it.
 */
export async function benchSend({
  messages = 30_000,
  log = console.log,
}: { messages?: number; log?: (line: string) => void } = {}): Promise<SendBench> {
  const postgres = await startThrowAwayPostgres()
  const simulator = await startSimulatorProcess()
  const installation = await createInstallation({ server: postgres.url, env: { META_GRAPH_URL: simulator.url } })
  try {
    const neighbour = await installation.neighbour(slow)
    for (const { post, channelId } of [installation, neighbour]) await post(`/v1/channels/${channelId}/connect`, {})
    const { throughput } = await installation.get<{ throughput?: unknown }>(`/v1/channels/${installation.channelId}`)
    if (throughput !== 'HIGH') throw new Error(`the number is not allowed 1,000 a second but ${JSON.stringify(throughput)}`)
    await installation.withRoles('api')
    const began = performance.now()
    const reply = await prepare(installation, neighbour, messages, installation.databaseUrl)
    log(`  ${messages} messages queued in ${((performance.now() - began) / 1000).toFixed(0)} s  load ${machineLoad()}`)

    await installation.withRoles('api,worker')
    const result = await measure(simulator, neighbour, reply, messages)
    log(
      `  ${Math.round(result.perSecond)} messages/s; ${result.replies} replies of the neighbour left after ${result.replyP50.toFixed(0)} ms (median), ` +
        `${result.replyWorst.toFixed(0)} ms at worst  load ${machineLoad()}`,
    )
    return result
  } finally {
    await installation.end()
    await simulator.stop()
    await postgres.stop()
  }
}

/** The campaign in the log, and the conversation that the neighbour answers in. */
async function prepare(busy: Pick<Neighbour, 'tenantId' | 'channelId'>, neighbour: Neighbour, messages: number, url: string): Promise<string> {
  const process = await startProcess({ url, masterKey })
  try {
    const people = Math.ceil(messages / perPerson)
    for (let from = 0; from < people; from += 500) {
      await Promise.all(
        Array.from({ length: Math.min(500, people - from) }, async (_, n) => {
          const one = await process.openConversation(busy.tenantId, busy.channelId, String(5_730_000_000_000 + from + n))
          for (let nth = 0; nth < perPerson; nth++) await process.queue(busy.tenantId, busy.channelId, one, `nth ${nth}`, 'campaign')
        }),
      )
    }
    const { id } = await process.openConversation(neighbour.tenantId, neighbour.channelId, '34600111222')
    return id
  } finally {
    await process.close()
  }
}

async function measure({ url }: { url: string }, neighbour: Neighbour, conversationId: string, messages: number): Promise<SendBench> {
  const heard = await listen(`${url}/_sim/events?phone_number_id=${slow.phoneNumberId}`)
  const before = await countOf(url)
  const sent = async (): Promise<number> => (await countOf(url)) - before - heard.times.size
  const stop = new AbortController()
  const latencies: number[] = []

  async function answer(): Promise<void> {
    const began = performance.now()
    const { id } = await neighbour.post<{ id: string }>(`/v1/conversations/${conversationId}/messages`, { text: 'Claro' })
    while (!heard.times.has(id)) {
      if (performance.now() - began > 30_000) throw new Error(`the reply ${id} did not leave within 30 s`)
      await sleep(5)
    }
    latencies.push((heard.times.get(id) ?? Number.NaN) - began)
  }
  async function answering(): Promise<void> {
    // More often and the customer would get more than Meta lets one person get.
    for (let n = 0; n < 40 && !stop.signal.aborted; n++) {
      await answer()
      await sleep(300)
    }
  }

  // The ramp-up (leases, first reads) is left out.
  while ((await sent()) < messages * 0.1) await sleep(20)
  const from = { at: performance.now(), sent: await sent() }
  const answered = answering()
  let to = from
  while (to.sent < messages * 0.9) {
    await sleep(250)
    to = { sent: await sent(), at: performance.now() }
  }
  stop.abort()
  await answered
  heard.stop()
  const sorted = latencies.toSorted((a, b) => a - b)
  return {
    perSecond: ((to.sent - from.sent) * 1000) / (to.at - from.at),
    replyP50: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    replyWorst: sorted.at(-1) ?? Number.NaN,
    replies: sorted.length,
  }
}

const countOf = async (url: string): Promise<number> => ((await (await fetch(`${url}/_sim/stats`)).json()) as { messages: number }).messages

/** When the simulator took each message of a number, by our id. */
async function listen(url: string): Promise<{ times: ReadonlyMap<string, number>; stop: () => void }> {
  const times = new Map<string, number>()
  const stop = new AbortController()
  const { body } = await fetch(url, { signal: stop.signal })
  if (body === null) throw new Error('the simulator tells nothing')
  // Ending it by the signal is an error to the stream and none to us.
  const input = Readable.fromWeb(body as never).on('error', () => undefined)
  const lines = createInterface({ input })
  lines.on('error', () => undefined)
  lines.on('line', (line) => {
    const id = /"callback_data":"([^"]+)"/.exec(line)?.[1]
    if (id !== undefined && !times.has(id)) times.set(id, performance.now())
  })
  return {
    times,
    stop() {
      lines.close()
      stop.abort()
    },
  }
}

/** In a process of its own: Meta's side does not share our event loop. */
async function startSimulatorProcess(): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort()
  const program = fileURLToPath(new URL('../../simulator/main.ts', import.meta.url))
  const own = ['--phone-number-id', fast.phoneNumberId, '--waba-id', wabaId, '--token', fast.accessToken]
  const child = spawn(process.execPath, [program, '--port', String(port), '--unlimited', ...own], { stdio: ['ignore', 'pipe', 'inherit'] })
  // A bench that ends early takes it along.
  const reap = (): void => void child.kill('SIGKILL')
  process.once('exit', reap)
  await once(child.stdout, 'data')
  child.stdout.resume()
  const url = `http://127.0.0.1:${port}`
  const control = async (method: string, path: string, body: unknown): Promise<void> => {
    const answer = await fetch(`${url}/_sim/${path}`, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
  await control('POST', 'numbers', { waba_id: wabaId, phone_number_id: slow.phoneNumberId })
  await control('PATCH', `numbers/${fast.phoneNumberId}`, { throughput: 'HIGH' })
  await control('PATCH', 'switches', { response_delay_ms: 20, response_jitter_ms: 40 })
  return {
    url,
    async stop() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      process.off('exit', reap)
    },
  }
}

if (import.meta.main) await benchSend({ messages: process.argv.includes('--long') ? 120_000 : 30_000 })
