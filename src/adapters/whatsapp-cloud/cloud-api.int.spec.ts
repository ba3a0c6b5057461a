import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../../simulator/simulator.ts'
import type { SwitchesPatch } from '../../../simulator/world/switches.ts'
import type { CloudApiAccount, OutgoingMessage } from '../../commands/ports/cloud-api.ts'
import { createCloudApi } from './cloud-api.ts'

const account: CloudApiAccount = { phoneNumberId: '200000000000002', wabaId: '200000000000001', accessToken: 'a-token-nobody-may-see' }
const hello = (callbackData: string): OutgoingMessage => ({ to: { waId: '573005550101' }, type: 'text', object: { body: 'Hola' }, callbackData })

let simulator: Simulator
let api: ReturnType<typeof createCloudApi>

beforeAll(async () => {
  simulator = await startSimulator({ appSecret: 's', verifyToken: 'v' })
  simulator.addNumber({
    waba_id: account.wabaId,
    phone_number_id: account.phoneNumberId,
    display_phone_number: '+1 555-000-1111',
    verified_name: 'Tienda',
  })
  simulator.addToken({ token: account.accessToken })
})
afterAll(() => simulator.close())

beforeEach(() => {
  simulator.reset()
  simulator.setSwitches({
    fail_next: null,
    server_errors: 0,
    accept_then_timeout: 0,
    accept_then_reset: 0,
    accept_then_error: 0,
    response_delay_ms: 0,
  })
  api = createCloudApi({ graphUrl: simulator.url, version: 'v26.0', timeoutMs: 400, connections: 4 })
})
afterEach(() => api.close())

const accepted = (): (string | undefined)[] => simulator.sentMessages().map((message) => message.callback_data)

describe('sending', () => {
  it('gives the id that Meta gave, and our id travels along', async () => {
    const result = await api.send(account, { ...hello('our-id'), replyTo: 'wamid.before' })
    expect(result).toEqual({ outcome: 'accepted', providerId: expect.stringMatching(/^wamid\./) })
    expect(simulator.sentMessages()).toMatchObject([
      { customer: '573005550101', type: 'text', object: { body: 'Hola' }, callback_data: 'our-id', context_id: 'wamid.before' },
    ])
  })
  it('reaches a hidden phone by its business-scoped user id', async () => {
    const { bsuid } = simulator.saveCustomer({ phone: '573005550101', hidden: true })
    expect(await api.send(account, { ...hello('x'), to: { bsuid } })).toMatchObject({ outcome: 'accepted' })
    expect(simulator.sentMessages()).toMatchObject([{ addressed_by: 'recipient' }])
  })
  it.each<[string, NonNullable<SwitchesPatch['fail_next']>, object]>([
    ['throttling', { code: 130429, count: 1, retry_after: 3 }, { code: 130429, status: 400, retryAfterSeconds: 3 }],
    ['throttling as a 429', { code: 130429, count: 1, status: 429 }, { code: 130429, status: 429 }],
    ['trouble at Meta', { code: 131000, count: 1 }, { code: 131000, status: 500 }],
    ['a closed window', { code: 131047, count: 1, details: 'more than 24 hours' }, { code: 131047, details: 'more than 24 hours' }],
    [
      'a 429 of something in front of Meta',
      { code: 1, count: 1, status: 429, body: 'html', retry_after: 9 },
      { code: 0, status: 429, retryAfterSeconds: 9 },
    ],
  ])('is rejected for %s', async (_what, fail_next, error) => {
    simulator.setSwitches({ fail_next })
    expect(await api.send(account, hello('x'))).toMatchObject({ outcome: 'rejected', error })
    expect(accepted()).toEqual([])
  })
  it('is rejected for a token Meta does not know', async () => {
    expect(await api.send({ ...account, accessToken: 'expired-token' }, hello('x'))).toMatchObject({
      outcome: 'rejected',
      error: { code: 190, status: 401 },
    })
  })
  it.each(['html', 'empty', 'truncated'] as const)('is unknown after a 503 with a body that is %s', async (body) => {
    simulator.setSwitches({ fail_next: { code: 131016, count: 1, status: 503, body } })
    expect(await api.send(account, hello('x'))).toMatchObject({ outcome: 'unknown' })
  })
})

describe('a send whose answer is lost', () => {
  it('is unknown after a time-out, and it did arrive', async () => {
    simulator.setSwitches({ accept_then_timeout: 1 })
    expect(await api.send(account, hello('lost'))).toEqual({ outcome: 'unknown', reason: 'no answer within 400 ms' })
    expect(accepted()).toEqual(['lost'])
  })
  it('is unknown after a reset, and it did arrive', async () => {
    simulator.setSwitches({ accept_then_reset: 1 })
    expect(await api.send(account, hello('reset'))).toMatchObject({ outcome: 'unknown' })
    expect(accepted()).toEqual(['reset'])
  })
  it('is unknown after a bare 502, and it did arrive', async () => {
    simulator.setSwitches({ accept_then_error: 1 })
    expect(await api.send(account, hello('gateway'))).toMatchObject({ outcome: 'unknown' })
    expect(accepted()).toEqual(['gateway'])
  })
  it('is unknown when it is called off on the way', async () => {
    const silent = await startSilent()
    const unheard = createCloudApi({ graphUrl: silent.url, version: 'v26.0' })
    const abort = new AbortController()
    const sent = unheard.send(account, hello('on the way'), abort.signal)
    await silent.heard('on the way')
    abort.abort()
    expect(await sent).toEqual({ outcome: 'unknown', reason: 'aborted' })
    await unheard.close()
    await silent.close()
  })
})

describe('a send that never left', () => {
  it('is not sent when it is called off before', async () => {
    expect(await api.send(account, hello('x'), AbortSignal.abort())).toEqual({ outcome: 'not_sent', reason: 'aborted' })
    expect(accepted()).toEqual([])
  })
  it('is not sent when nobody listens', async () => {
    const port = await freePort()
    const away = createCloudApi({ graphUrl: `http://127.0.0.1:${port}`, version: 'v26.0' })
    expect(await away.send(account, hello('x'))).toEqual({ outcome: 'not_sent', reason: 'ECONNREFUSED' })
    await away.close()
  })
  it('is not sent when the name does not resolve', async () => {
    const away = createCloudApi({ graphUrl: 'http://graph.invalid', version: 'v26.0', timeoutMs: 5_000 })
    expect(await away.send(account, hello('x'))).toMatchObject({ outcome: 'not_sent' })
    await away.close()
  })
  it('is not sent when TLS fails', async () => {
    const away = createCloudApi({ graphUrl: simulator.url.replace('http:', 'https:'), version: 'v26.0', timeoutMs: 5_000 })
    expect(await away.send(account, hello('x'))).toMatchObject({ outcome: 'not_sent' })
    await away.close()
  })
  it('is not sent, then or later, when no connection became free in time', async () => {
    // The server takes the connection and the first request and stays silent; the second send waits behind it.
    const silent = await startSilent()
    const narrow = createCloudApi({ graphUrl: silent.url, version: 'v26.0', timeoutMs: 300, connections: 1 })
    const first = narrow.send(account, hello('first'))
    await silent.heard('first')
    const second = await narrow.send(account, hello('second'), AbortSignal.timeout(100))
    expect(second).toEqual({ outcome: 'not_sent', reason: 'aborted' })
    expect(await first).toMatchObject({ outcome: 'unknown' })
    // The connection is gone with the first; the pool opens another and comes to the second in its queue.
    await narrow.send(account, hello('third'))
    expect(silent.text()).toContain('third')
    expect(silent.text()).not.toContain('second')
    await narrow.close()
    await silent.close()
  })
})

describe('the other calls', () => {
  it('describe a number of the account', async () => {
    expect(await api.describeNumber(account)).toEqual({
      ok: {
        displayPhone: '+1 555-000-1111',
        verifiedName: 'Tienda',
        qualityRating: 'GREEN',
        throughput: 'STANDARD',
        messagingLimit: 'TIER_2K',
        numberStatus: 'CONNECTED',
        nameStatus: 'APPROVED',
        newNameStatus: 'NONE',
        platformType: 'CLOUD_API',
        codeVerification: 'VERIFIED',
        accountMode: 'LIVE',
        onBusinessApp: false,
        officialAccount: false,
        pinEnabled: false,
      },
    })
  })
  it('read and change the business profile', async () => {
    expect(await api.readProfile(account)).toEqual({ ok: {} })
    const change = { about: 'Open from 9', email: 'casa@example.com', websites: ['https://casa.example'], vertical: 'RETAIL' }
    expect(await api.writeProfile(account, change)).toEqual({ ok: true })
    expect(await api.readProfile(account)).toEqual({ ok: change })
    expect(await api.writeProfile(account, { about: 'x'.repeat(140) })).toMatchObject({ error: { code: 100 } })
    expect(await api.readProfile({ ...account, accessToken: 'expired' })).toMatchObject({ error: { code: 190 } })
  })
  it('send the webhooks of an account to another address, if that answers the challenge', async () => {
    const receiver = createHttpServer((req, res) => {
      const { searchParams } = new URL(req.url ?? '', 'http://x')
      res.end(searchParams.get('hub.verify_token') === 'right' ? searchParams.get('hub.challenge') : 'no')
    })
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve)
    })
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/webhooks/meta/abc`
    expect(await api.subscribeApp(account, { url, verifyToken: 'right' })).toEqual({ ok: true })
    expect(await api.subscribeApp(account, { url, verifyToken: 'wrong' })).toMatchObject({ error: { code: 2200 } })
    expect(await api.subscribeApp(account)).toEqual({ ok: true })
    receiver.close()
  })
  it('find a number beyond the first page', async () => {
    for (let at = 0; at < 120; at++) simulator.addNumber({ waba_id: '300000000000001', display_phone_number: `+1 555 100 ${1000 + at}` })
    const last = simulator.addNumber({ waba_id: '300000000000001', display_phone_number: '+1 555 100 9999' })
    expect(await api.describeNumber({ ...account, wabaId: '300000000000001', phoneNumberId: last.id })).toMatchObject({
      ok: { displayPhone: '+1 555 100 9999' },
    })
  })
  it('tell a wrong token, a wrong account, a wrong number and a wrong pair apart', async () => {
    simulator.addNumber({ waba_id: '400000000000001', phone_number_id: '400000000000002', display_phone_number: '+1 555 200 0000' })
    expect(await api.describeNumber({ ...account, accessToken: 'expired-token' })).toMatchObject({ error: { code: 190 } })
    expect(await api.describeNumber({ ...account, wabaId: '999' })).toMatchObject({ error: { code: 100 } })
    expect(await api.describeNumber({ ...account, phoneNumberId: '999' })).toMatchObject({
      error: { code: 100, message: expect.stringContaining('999') },
    })
    expect(await api.describeNumber({ ...account, phoneNumberId: '400000000000002' })).toMatchObject({
      error: { code: 33, message: expect.stringContaining('not one of') },
    })
  })
  it('subscribe the app', async () => {
    expect(await api.subscribeApp(account)).toEqual({ ok: true })
    expect(await api.subscribeApp({ ...account, wabaId: '999' })).toMatchObject({ error: { code: 100 } })
  })
  it('mark a message read, with or without typing', async () => {
    const { id } = simulator.customerWrites('573005550101', { text: 'Hola' })
    expect(await api.markRead(account, id, true)).toEqual({ ok: true })
    expect(await api.markRead(account, id, false)).toEqual({ ok: true })
    expect(await api.markRead(account, 'wamid.nobody', false)).toMatchObject({ error: { code: 100 } })
  })
  it('say that Meta is unreachable', async () => {
    const away = createCloudApi({ graphUrl: `http://127.0.0.1:${await freePort()}`, version: 'v26.0' })
    expect(await away.describeNumber(account)).toEqual({ unreachable: 'ECONNREFUSED' })
    expect(await away.markRead(account, 'wamid.x', false)).toEqual({ unreachable: 'ECONNREFUSED' })
    await away.close()
  })
  it('never show the token in what they return', async () => {
    simulator.setSwitches({ fail_next: { code: 131016, count: 1, status: 503, body: 'html' } })
    const results = [
      await api.send(account, hello('x')),
      await api.describeNumber({ ...account, phoneNumberId: '999' }),
      await api.send(account, hello('y'), AbortSignal.abort()),
    ]
    expect(JSON.stringify(results)).not.toContain(account.accessToken)
  })
})

describe('under a path', () => {
  it('works when the Graph API is mounted below another server', async () => {
    const server = createHttpServer((req, res) => simulator.handle(req, res, (req.url ?? '').replace(/^\/simulator/, '').split('?')[0] ?? ''))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const mounted = createCloudApi({ graphUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simulator/`, version: 'v26.0' })
    expect(await mounted.send(account, hello('mounted'))).toMatchObject({ outcome: 'accepted' })
    expect(await mounted.describeNumber(account)).toMatchObject({ ok: { verifiedName: 'Tienda' } })
    await mounted.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** Takes everything and never answers. */
async function startSilent(): Promise<{ url: string; text: () => string; heard: (what: string) => Promise<void>; close: () => Promise<void> }> {
  let received = ''
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('data', (chunk) => (received += chunk.toString()))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => received,
    async heard(what) {
      while (!received.includes(what)) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
