import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Delivery = {
  readonly raw: string
  readonly signed: boolean
  readonly body: { readonly entry: readonly { readonly id: string; readonly changes: readonly Change[] }[] }
}
export type Change = {
  readonly field: string
  readonly value: Record<string, unknown> & {
    readonly messages?: readonly Record<string, unknown>[]
    readonly statuses?: readonly (Record<string, unknown> & { readonly id: string; readonly status: string })[]
    readonly contacts?: readonly Record<string, unknown>[]
  }
}

export type Receiver = {
  readonly url: string
  readonly deliveries: Delivery[]
  /** What POSTs are answered with, in turn; 200 when none is left. */
  readonly answers: number[]
  readonly changes: () => Change[]
  readonly statuses: () => string[]
  /** Resolves once the predicate holds; fails after five seconds. */
  readonly until: (holds: () => boolean) => Promise<void>
  readonly close: () => Promise<void>
}

/** A webhook endpoint as a business runs it: answers the challenge, checks the signature over the raw bytes, keeps what came. */
export async function startReceiver(appSecret: string, verifyToken: string): Promise<Receiver> {
  const deliveries: Delivery[] = []
  const answers: number[] = []
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://receiver')
    if (req.method === 'GET') {
      const fits = url.searchParams.get('hub.mode') === 'subscribe' && url.searchParams.get('hub.verify_token') === verifyToken
      res.writeHead(fits ? 200 : 403, { 'content-type': 'text/plain' })
      res.end(fits ? url.searchParams.get('hub.challenge') : '')
      return
    }
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const bytes = Buffer.concat(chunks)
      const signed = req.headers['x-hub-signature-256'] === `sha256=${createHmac('sha256', appSecret).update(bytes).digest('hex')}`
      const status = answers.shift() ?? 200
      const raw = bytes.toString('utf8')
      if (status === 200) deliveries.push({ raw, signed, body: JSON.parse(raw) as Delivery['body'] })
      res.writeHead(status)
      res.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const changes = (): Change[] => deliveries.flatMap((delivery) => delivery.body.entry.flatMap((entry) => entry.changes))
  const statuses = (): string[] => changes().flatMap((change) => change.value.statuses?.map((status) => status.status) ?? [])
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/meta`,
    deliveries,
    answers,
    changes,
    statuses,
    async until(holds) {
      const deadline = Date.now() + 5_000
      while (!holds()) {
        if (Date.now() > deadline) throw new Error(`what was waited for did not come; statuses so far: ${JSON.stringify(statuses())}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
