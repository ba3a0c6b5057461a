import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'

const wabaId = '200200200200200'
const customer = '573005550101'
const patient = { timeout: 30_000, interval: 100 }
type Alert = { id: string; code: string; status: string; severity: string; title: string; entity?: { id: string } }

let simulator: Simulator
let recado: Installation

beforeAll(async () => {
  simulator = await startSimulator({ appSecret, verifyToken: 'bench' })
  simulator.addNumber({ waba_id: wabaId, phone_number_id: '100200300400500', display_phone_number: '+1 555-000-1111' })
  simulator.addToken({ token: 'bench-token' })
  recado = await createInstallation({ server: process.env['RECADO_TEST_POSTGRES'] ?? '', env: { META_GRAPH_URL: simulator.url } })
})
afterAll(async () => {
  await recado.end()
  await simulator.close()
})

async function metaSays(field: string, value: object): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: wabaId, time: now, changes: [{ field, value }] }] })
  const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`
  const answer = await fetch(`${recado.recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
  expect(answer.status).toBe(200)
}
const alerts = async (query: string): Promise<Alert[]> => (await recado.get<{ data: Alert[] }>(`/v1/alerts?${query}`)).data
const channel = async () =>
  recado.get<{ status: string; quality_rating?: string; messaging_limit?: string; last_error?: unknown }>(`/v1/channels/${recado.channelId}`)
const figures = async (): Promise<string> => (await fetch(`${recado.recado.url}/metrics`)).text()

describe('trouble with a channel', () => {
  it('that sending finds out is an alert and a degraded channel, until new credentials work; then the message goes out', async () => {
    const metadata = { display_phone_number: '15550001111', phone_number_id: recado.phoneNumberId }
    const message = { from: customer, id: 'wamid.A1', timestamp: String(Math.floor(Date.now() / 1000)), type: 'text', text: { body: 'Hola' } }
    await metaSays('messages', {
      messaging_product: 'whatsapp',
      metadata,
      contacts: [{ wa_id: customer, profile: { name: 'Ana' } }],
      messages: [message],
    })
    const conversations = async () => (await recado.get<{ data: { id: string }[] }>('/v1/conversations')).data
    await expect.poll(async () => (await conversations()).length, patient).toBe(1)
    const [conversation] = await conversations()

    simulator.revokeToken('bench-token')
    const queued = await recado.post<{ id: string }>(`/v1/conversations/${conversation?.id}/messages`, { text: 'Are you there?' })
    await expect
      .poll(async () => alerts('status=open'), patient)
      .toMatchObject([{ code: 'channel_credentials', severity: 'critical', entity: { type: 'channel', id: recado.channelId } }])
    await expect.poll(channel, patient).toMatchObject({ status: 'degraded', last_error: { title: expect.any(String) } })
    await expect.poll(figures, patient).toContain('recado_alerts_open{code="channel_credentials"} 1')
    expect(await figures()).toContain('recado_channels{status="degraded"} 1')

    simulator.addToken({ token: 'bench-token' })
    expect(await recado.post(`/v1/channels/${recado.channelId}/connect`, {})).toMatchObject({ status: 'connected', number: { status: 'CONNECTED' } })
    await expect.poll(async () => alerts('status=resolved'), patient).toMatchObject([{ code: 'channel_credentials' }])
    await expect
      .poll(async () => recado.get(`/v1/messages/${queued.id}`), patient)
      .toMatchObject({ status: expect.stringMatching(/sent|delivered|read/) })
    expect(await figures()).toMatch(/recado_provider_sends_total\{outcome="rejected",error_class="credentials"\} [1-9]/)
  })

  it('that Meta tells of is an alert and shown on the number, until Meta takes it back', async () => {
    await metaSays('phone_number_quality_update', { display_phone_number: '15550001111', event: 'FLAGGED' })
    await expect.poll(async () => alerts('status=open&code=number_quality'), patient).toHaveLength(1)
    await expect.poll(channel, patient).toMatchObject({ quality_rating: 'RED', status: 'connected' })
    // Meta's moments are whole seconds: what happens within one cannot be put in order by them.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await metaSays('phone_number_quality_update', { display_phone_number: '15550001111', event: 'UNFLAGGED' })
    await expect.poll(async () => alerts('status=open&code=number_quality'), patient).toEqual([])
  })

  it('is dealt with by a person, where nothing else can say that it is over', async () => {
    await metaSays('security', { display_phone_number: '15550001111', event: 'PIN_CHANGED', requester: '6155' })
    await expect.poll(async () => alerts('status=open&code=two_step_pin'), patient).toHaveLength(1)
    const [open] = await alerts('status=open&code=two_step_pin')
    expect(await recado.post(`/v1/alerts/${open?.id}/resolve`, { reason: 'It was us' })).toMatchObject({ status: 'resolved', reason: 'It was us' })
  })
})
