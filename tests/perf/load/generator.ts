import { createHmac, createSecretKey } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/**
 * Webhook load from raw sockets, because on two cores a comfortable HTTP client would be what is measured: one request in flight per connection,
 * every body another message with a signature of its own. Closed loop (as fast as answers come) or open loop (`rate` per second, whatever the answers do;
 * latency then counts from when a request was due, so a stalled server cannot hide behind a waiting client).
 * Runs as a child process: `node generator.ts '<json options>'` prints one JSON line.
 */
export type LoadOptions = {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly secret: string
  readonly phoneNumberId: string
  readonly customers: number
  readonly rate?: number
  /** Seconds of the same load before the first request that counts: whoever has just been idle, or had others on its cores, is not yet what it is under load. */
  readonly leadIn?: number
  /** Keeps message ids of several runs apart. */
  readonly run: string
}

export type LoadResult = {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly statuses: Readonly<Record<string, number>>
}

/** A signed delivery of one text message, about 1.2 KB like Meta's. */
export function createDeliveries({ secret, phoneNumberId, customers, run }: Pick<LoadOptions, 'secret' | 'phoneNumberId' | 'customers' | 'run'>) {
  const key = createSecretKey(Buffer.from(secret))
  return (n: number): { body: string; signature: string } => {
    const phone = `54911${String(10_000_000 + (n % customers))}`
    const wamid = wamidOf(run, n)
    const body = `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"${phoneNumberId}"},"contacts":[{"profile":{"name":"Cliente ${n % customers}"},"wa_id":"${phone}","user_id":"AR.${phone}00000"}],"messages":[{"from":"${phone}","from_user_id":"AR.${phone}00000","id":"${wamid}","timestamp":"${Math.floor(Date.now() / 1000)}","text":{"body":"${texts[n % texts.length]}${n}"},"type":"text"}]},"field":"messages"}]}]}`
    return { body, signature: createHmac('sha256', key).update(body).digest('hex') }
  }
}

/** As long as Meta's, and as little alike. */
export const wamidOf = (run: string, n: number): string => `wamid.${Buffer.from(`${run}:${n}:${tails[n % tails.length]}`).toString('base64')}`

/** The same numbers below 2^32 for the same seed (mulberry32). */
function drawing(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

const tails = Array.from({ length: 1_000 }, (_, seed) => {
  const random = drawing(seed)
  return Array.from({ length: 4 }, () => random().toString(16).padStart(8, '0')).join('')
})
const words =
  'hola quisiera saber si el departamento de la calle Olmos sigue disponible y cuando se puede visitar gracias buenas tardes precio alquiler expensas garantia mascotas cochera balcon piso luz agua gas cerca subte colegio tarde noche lunes martes viernes oferta contado credito reserva contrato vendedor compra venta casa terreno lote barrio pileta parrilla patio dormitorios ambientes cocina living comedor metros antiguedad frente contrafrente temporal permanente dolares pesos'.split(
    ' ',
  )
/** What is stored is squeezed: one text for all of them would make it smaller than it ever is. */
const texts = Array.from({ length: 1_000 }, (_, seed) => {
  const random = drawing(seed)
  return `${Array.from({ length: 65 }, () => words[random() % words.length]).join(' ')} `
})

export async function generateLoad(options: LoadOptions): Promise<LoadResult> {
  const { port, connections, seconds, rate, leadIn = 0 } = options
  const deliver = createDeliveries(options)
  const latencies: number[] = []
  const statuses: Record<string, number> = {}
  let next = 0
  const started = performance.now()
  const counted = started + leadIn * 1000
  const end = counted + seconds * 1000

  async function drive(socket: Socket): Promise<void> {
    let waiting: ((status: string) => void) | undefined
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const headEnd = text.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const length = /content-length: (\d+)/i.exec(text)?.[1] ?? '0'
      if (text.length < headEnd + 4 + Number(length)) return
      const status = text.slice(9, 12)
      text = ''
      waiting?.(status)
    })
    socket.on('close', () => waiting?.('closed'))
    while (performance.now() < end && !socket.destroyed) {
      const n = next++
      const due = rate === undefined ? performance.now() : started + (n * 1000) / rate
      if (due >= end) return
      const early = due - performance.now()
      if (early > 1) await new Promise((resolve) => setTimeout(resolve, early))
      const { body, signature } = deliver(n)
      const begun = rate === undefined ? performance.now() : due
      const status = await new Promise<string>((resolve) => {
        waiting = resolve
        socket.write(
          `POST /webhooks/meta HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=${signature}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        )
      })
      if (begun < counted) continue
      latencies.push(performance.now() - begun)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  }

  const sockets = await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
          socket.once('error', reject)
        }),
    ),
  )
  for (const socket of sockets) socket.on('error', () => undefined)
  await Promise.all(sockets.map(drive))
  for (const socket of sockets) socket.destroy()
  const took = (performance.now() - counted) / 1000
  latencies.sort((a, b) => a - b)
  const at = (quantile: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? Number.NaN
  const good = statuses['200'] ?? 0
  return { requests: latencies.length, seconds: took, perSecond: good / took, p50: at(0.5), p99: at(0.99), max: at(1), statuses }
}

if (import.meta.main) {
  const result = await generateLoad(JSON.parse(process.argv[2] ?? '{}') as LoadOptions)
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
