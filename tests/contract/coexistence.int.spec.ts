import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'

/** A number that stays on the business app of a phone, from the connection to the history on the screen, against the simulated Meta. */
type Json = Record<string, unknown>
const wabaId = '200200200200200'
const phoneNumberId = '100200300400500'
const [ana, bea] = ['573005550101', '573005550102']

let simulator: Simulator
let recado: Installation

beforeAll(async () => {
  simulator = await startSimulator({ appSecret, verifyToken: 'bench' })
  simulator.addNumber({ waba_id: wabaId, phone_number_id: phoneNumberId, display_phone_number: '+1 555-000-1111' })
  simulator.addToken({ token: 'bench-token' })
  await control('PATCH', `numbers/${phoneNumberId}`, { business_app: {} })
  simulator.saveCustomer({ phone: ana, name: 'Ana Ruiz' })
  // Before anybody listens: this is what only the phone knows.
  simulator.customerWrites(ana, { text: 'Hola', timestamp: 1_750_000_000 })
  await control('POST', `numbers/${phoneNumberId}/messages`, { to: ana, text: 'Buenos días', timestamp: 1_750_000_060 })
  simulator.customerWrites(ana, { type: 'image', image: { id: '9001', mime_type: 'image/jpeg' }, timestamp: 1_750_000_120 })
  recado = await createInstallation({ server: process.env['RECADO_TEST_POSTGRES'] ?? '', env: { META_GRAPH_URL: simulator.url }, phoneNumberId })
  await simulator.setWebhook({ url: `${recado.recado.url}/webhooks/meta` })
})
afterAll(async () => {
  await recado.end()
  await simulator.close()
})

async function control(method: string, path: string, body: unknown): Promise<Json> {
  const answer = await fetch(`${simulator.url}/_sim/${path}`, { method, body: JSON.stringify(body) })
  const json = (await answer.json()) as Json
  if (!answer.ok) throw new Error(JSON.stringify(json))
  return json
}
const sync = (what: string) => recado.post<Json>(`/v1/channels/${recado.channelId}/history-sync`, { sync: what })
type Listed = { data: Json[] }

async function until<T>(ask: () => Promise<T>, good: (found: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const found = await ask()
    if (good(found) || tries > 400) return found
    await sleep(100)
  }
}
const conversationWith = async (waId: string): Promise<Json | undefined> =>
  (await recado.get<Listed>('/v1/conversations')).data.find(({ contact }) => (contact as Json)['wa_id'] === waId)
const threadWith = async (waId: string): Promise<Json[]> => {
  const conversation = await conversationWith(waId)
  return conversation === undefined ? [] : (await recado.get<Listed>(`/v1/conversations/${String(conversation['id'])}/messages`)).data
}

describe('a number that stays on the phone', () => {
  it('brings its contacts and its history when asked, read for everybody and with nothing sent', async () => {
    expect(await sync('contacts')).toMatchObject({ sync: 'contacts', request_id: expect.any(String) as unknown })
    expect(await sync('history')).toMatchObject({ sync: 'history' })
    const thread = await until(
      () => threadWith(ana),
      (found) => found.length === 3 && found[0]?.['type'] === 'image',
    )
    expect(thread).toMatchObject([
      { direction: 'inbound', type: 'image', occurred_at: '2025-06-15T15:08:40.000Z' },
      { direction: 'outbound', content: { text: { body: 'Buenos días' } }, status: 'sent', sent_by: { kind: 'phone' } },
      { direction: 'inbound', content: { text: { body: 'Hola' } } },
    ])
    // The names come in a delivery of their own, and the read model of contacts is not that of messages.
    const conversation = await until(
      () => conversationWith(ana),
      (found) => (found?.['contact'] as Json | undefined)?.['name'] === 'Ana Ruiz',
    )
    expect(conversation).toMatchObject({ contact: { name: 'Ana Ruiz' }, unread_count: 0 })
    expect(conversation).not.toHaveProperty('window_expires_at')
  })
  it('is told why it cannot be asked twice', async () => {
    await expect(sync('history')).rejects.toThrow(/409.*sync_refused.*once per connection.*2593107/s)
  })
  it('has on record who asked for it, and what became of that', async () => {
    const entries = await until(
      async () => (await recado.get<Listed>(`/v1/audit?entity_type=channel&entity_id=${recado.channelId}`)).data,
      (found) => found.filter(({ action }) => String(action).startsWith('channel.sync_')).length === 4,
    )
    const asked = entries.filter(({ action }) => String(action).startsWith('channel.sync_')).toReversed()
    expect(asked).toMatchObject([
      { action: 'channel.sync_requested', actor: { kind: 'api' }, summary: expect.stringContaining('asked the phone of') as unknown },
      { action: 'channel.sync_requested', actor: { kind: 'api' } },
      { action: 'channel.sync_requested', actor: { kind: 'api' } },
      { action: 'channel.sync_refused', summary: expect.stringContaining('asked for already') as unknown },
    ])
    const begun = await recado.get<Listed>('/v1/events?type=ChannelSyncBegun')
    expect(begun.data).toMatchObject([{ data: { sync: 'contacts', request_id: expect.any(String) as unknown } }, { data: { sync: 'history' } }])
  })
  it('shows an echo at once, and goes on with the same thread', async () => {
    await control('POST', `numbers/${phoneNumberId}/messages`, { to: ana, text: 'Seguimos' })
    const thread = await until(
      () => threadWith(ana),
      (found) => found.length === 4,
    )
    expect(thread[0]).toMatchObject({ direction: 'outbound', content: { text: { body: 'Seguimos' } }, sent_by: { kind: 'phone' } })
  })
  it('shows what is sent through us once, whatever the phone echoes of it', async () => {
    simulator.customerWrites(bea, { text: 'Hola?' })
    const conversation = await until(
      () => conversationWith(bea),
      (found) => found !== undefined,
    )
    const path = `/v1/conversations/${String(conversation?.['id'])}/messages`
    await recado.post(path, { text: 'Buenas' })
    const sent = await until(
      () => threadWith(bea),
      (found) => found[0]?.['provider_id'] !== undefined && found[0]['direction'] === 'outbound',
    )
    const id = String(sent[0]?.['provider_id'])
    await control('POST', `numbers/${phoneNumberId}/messages`, { to: bea, id, text: 'Buenas' })
    await control('POST', `numbers/${phoneNumberId}/messages`, { to: bea, text: 'y otra' })
    const thread = await until(
      () => threadWith(bea),
      (found) => found.length > 2,
    )
    expect(thread.map(({ content }) => (content as { text: { body: string } }).text.body)).toEqual(['y otra', 'Buenas', 'Hola?'])
  })
})
