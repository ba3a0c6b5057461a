import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startFaultRelay, type FaultRelay } from './fault-relay.ts'

let server: Server
let atServer: Socket[]
let relay: FaultRelay
/** Says everything back, and remembers what it heard. */
let heard: string
beforeEach(async () => {
  atServer = []
  heard = ''
  server = createServer({ allowHalfOpen: true }, (socket) => {
    atServer.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      heard += bytes.toString()
      socket.write(bytes)
    })
    socket.on('end', () => socket.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  relay = await startFaultRelay({ target: { port: portOf(server) } })
})
afterEach(async () => {
  await relay.close()
  for (const socket of atServer) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

const portOf = (one: Server): number => (one.address() as AddressInfo).port

type Client = { readonly socket: Socket; readonly got: () => string; readonly fate: () => string }

async function client(): Promise<Client> {
  const socket = connect(relay.port, relay.host)
  let got = ''
  let fate = 'open'
  socket.setEncoding('utf8').on('data', (text: string) => (got += text))
  socket.on('end', () => (fate = 'ended'))
  socket.on('error', (error: NodeJS.ErrnoException) => (fate = error.code ?? 'error'))
  await once(socket, 'connect')
  return { socket, got: () => got, fate: () => fate }
}

const spoken = async (one: Client, text: string): Promise<void> => {
  const before = one.got().length
  one.socket.write(text)
  await expect.poll(() => one.got().slice(before)).toBe(text)
}

it('hands everything on, both ways, megabytes too, and the end of each side', async () => {
  const one = await client()
  const text = 'äöü'.repeat(500_000)
  await spoken(one, text)
  one.socket.end()
  await expect.poll(one.fate).toBe('ended')
  await expect.poll(relay.connections).toBe(0)
  expect(relay.stats()).toMatchObject({ accepted: 1, toServer: Buffer.byteLength(text), toClient: Buffer.byteLength(text) })
})

it('lets nothing through a black hole, and everything, in order, when it is healed', async () => {
  const one = await client()
  await spoken(one, 'before ')
  relay.blackHole()
  one.socket.write('during ')
  const late = await client()
  late.socket.write('late ')
  // Nothing is what there is to see: a line beside it, through the same process, is quick meanwhile.
  const other = await startFaultRelay({ target: { port: portOf(server) } })
  const beside = connect(other.port, other.host)
  beside.write('beside ')
  await once(beside, 'data')
  expect([one.got(), late.got(), heard]).toEqual(['before ', '', 'before beside '])
  expect(one.fate()).toBe('open')
  relay.heal()
  await expect.poll(one.got).toBe('before during ')
  await expect.poll(late.got).toBe('late ')
  beside.destroy()
  await other.close()
})

it('keeps back the answers only, or the end of a client that left during a black hole', async () => {
  const one = await client()
  await spoken(one, 'a')
  relay.blackHole('toClient')
  one.socket.write('b')
  await expect.poll(() => heard).toBe('ab')
  expect(one.got()).toBe('a')
  relay.blackHole()
  one.socket.resetAndDestroy()
  const other = await client()
  await expect.poll(relay.connections).toBe(2)
  expect(atServer[0]?.closed).toBe(false)
  relay.heal()
  await expect.poll(() => atServer[0]?.closed).toBe(true)
  await spoken(other, 'c')
})

it('delays, and narrows the line, without changing what is said', async () => {
  const one = await client()
  relay.delay(60, 20)
  const began = performance.now()
  const text = Array.from({ length: 200 }, (_, n) => `${n},`).join('')
  await spoken(one, text)
  // Lower bounds only: there and back.
  expect(performance.now() - began).toBeGreaterThanOrEqual(119)
  relay.heal()
  relay.bandwidth(100_000)
  const narrow = performance.now()
  await spoken(one, 'x'.repeat(40_000))
  // 40 kB at 100 kB/s; the last tenth of a second is on its way when the line counts it.
  expect(performance.now() - narrow).toBeGreaterThanOrEqual(250)
  relay.heal()
  await spoken(one, text)
})

it('resets, ends, and takes new connections after it', async () => {
  const [one, other] = [await client(), await client()]
  await Promise.all([spoken(one, 'a'), spoken(other, 'b')])
  relay.reset()
  await expect.poll(one.fate).toBe('ECONNRESET')
  await expect.poll(other.fate).toBe('ECONNRESET')
  const third = await client()
  await spoken(third, 'c')
  relay.drop()
  await expect.poll(third.fate).toBe('ended')
  await spoken(await client(), 'd')
})

it('is refused while it is down, and listens under the same port again', async () => {
  const one = await client()
  await spoken(one, 'a')
  await relay.down()
  await expect.poll(one.fate).toBe('ECONNRESET')
  await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await relay.up()
  await spoken(await client(), 'b')
})

it('leaves a client without its server and without a word about it', async () => {
  const one = await client()
  await spoken(one, 'a')
  relay.halfOpen()
  await expect.poll(() => atServer[0]?.closed).toBe(true)
  one.socket.write('into the void')
  await spoken(await client(), 'b')
  expect([one.fate(), one.got(), heard]).toEqual(['open', 'a', 'ab'])
  one.socket.destroy()
  await expect.poll(relay.connections).toBe(1)
})

it('cuts the connection instead of handing on the answer that it is asked to', async () => {
  relay.cutAnswers(({ bytes, nth }) => nth > 0 && bytes.includes('please'))
  const one = await client()
  await spoken(one, 'please ')
  await spoken(one, 'thanks ')
  one.socket.write('please ')
  await expect.poll(one.fate).toBe('ECONNRESET')
  // The request went through, its answer did not.
  expect([heard, one.got(), relay.stats().cut]).toEqual(['please thanks please ', 'please thanks ', 1])
})

it('is a program too, that takes its orders by line', async () => {
  const program = spawn(process.execPath, [fileURLToPath(new URL('fault-relay/main.ts', import.meta.url)), '--to', `127.0.0.1:${portOf(server)}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  const { address } = JSON.parse(await next()) as { address: string }
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
  socket.write('a')
  await once(socket, 'data')
  program.stdin.write('reset\n')
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
  expect(JSON.parse(await next())).toMatchObject({ accepted: 1 })
  program.stdin.write('explode\n')
  expect(await next()).toMatch(/explode\? The words: black-hole/)
  program.kill()
})
