import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { inboundMessageId } from '../../src/domain/conversation/conversation.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { appSecret, createInstallation, type Installation } from './installation.ts'
import { machineLoad } from './load.ts'

const business = '15550001111'

/**
 * (e) The history of a phone: as many messages as asked for, in deliveries of 1,000 over a few hundred threads, posted as fast as they are taken.
 * Beside it a customer of another thread writes every 250 ms, and asks the query API until the message is there.
 */
export async function benchHistory({ messages = 30_000, threads = 300, log = console.log } = {}): Promise<{
  seconds: number
  liveP50: number
  liveMax: number
}> {
  const postgres = await startThrowAwayPostgres()
  const installation = await createInstallation({ server: postgres.url })
  try {
    const began = performance.now()
    const stop = new AbortController()
    const live = probe(installation, stop.signal)
    for (let order = 0; order * 1_000 < messages; order++)
      await post(installation, 'history', chunk(order, threads, (100_000 * (order + 1)) / messages))
    const posted = performance.now() - began
    const last = inboundMessageId(installation.tenantId, installation.channelId, `wamid.H${messages - 1}`)
    while (!(await isThere(installation, last))) await sleep(100)
    const seconds = (performance.now() - began) / 1000
    stop.abort()
    const latencies = (await live).toSorted((a, b) => a - b)
    const at = (quantile: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? Number.NaN
    const result = { seconds, liveP50: at(0.5), liveMax: at(1) }
    log(
      `  ${messages} messages of history: taken in ${(posted / 1000).toFixed(1)} s, visible in ${seconds.toFixed(1)} s ` +
        `(${Math.round(messages / seconds)}/s); live messages beside it: visible after p50 ${result.liveP50.toFixed(0)} ms, p90 ${at(0.9).toFixed(0)} ms, ` +
        `worst ${result.liveMax.toFixed(0)} ms of ${latencies.length}  load ${machineLoad()}`,
    )
    return result
  } finally {
    await installation.end()
    await postgres.stop()
  }
}

function chunk(order: number, threads: number, progress: number): object {
  const messages = Array.from({ length: 1_000 }, (_, n) => order * 1_000 + n)
  return {
    history: [
      {
        metadata: { phase: 0, chunk_order: order, progress: Math.floor(progress) },
        threads: [...Map.groupBy(messages, (n) => n % threads)].map(([thread, all]) => {
          const customer = String(15_557_000_000 + thread)
          return {
            id: customer,
            context: { wa_id: customer, user_id: `US.${customer}` },
            messages: all.map((n) => ({
              ...(n % 2 === 0 ? { from: customer } : { from: business, to: customer, history_context: { status: 'READ' } }),
              id: `wamid.H${n}`,
              timestamp: String(1_750_000_000 + n),
              type: 'text',
              text: { body: `Something that was said long ago, number ${n}` },
            })),
          }
        }),
      },
    ],
  }
}

async function probe(installation: Installation, signal: AbortSignal): Promise<number[]> {
  const latencies: number[] = []
  for (let n = 0; !signal.aborted; n++) {
    const id = `wamid.LIVE${n}`
    const from = String(15_558_000_000 + (n % 20))
    const began = performance.now()
    await post(installation, 'messages', {
      messages: [{ from, id, timestamp: String(Math.floor(Date.now() / 1000)), type: 'text', text: { body: 'Now' } }],
    })
    const message = inboundMessageId(installation.tenantId, installation.channelId, id)
    while (!(await isThere(installation, message))) await sleep(20)
    latencies.push(performance.now() - began)
    await sleep(250)
  }
  return latencies
}

async function post({ recado, phoneNumberId }: Installation, field: string, value: object): Promise<void> {
  const metadata = { display_phone_number: business, phone_number_id: phoneNumberId }
  const changes = [{ field, value: { messaging_product: 'whatsapp', metadata, ...value } }]
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '200200200200200', changes }] })
  const headers = { 'X-Hub-Signature-256': `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}` }
  const answer = await fetch(`${recado.url}/webhooks/meta`, { method: 'POST', body, headers })
  if (answer.status !== 200) throw new Error(`a delivery was answered ${answer.status}`)
}

const isThere = (installation: Installation, id: string): Promise<boolean> =>
  installation.get(`/v1/messages/${id}`).then(
    () => true,
    () => false,
  )
