import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { appSecret, createInstallation, type Installation } from '../perf/installation.ts'

let recado: Installation
beforeAll(async () => {
  recado = await createInstallation({ server: process.env['RECADO_TEST_POSTGRES'] ?? '' })
})
afterAll(async () => recado.end())

type Conversations = { data: { contact: { wa_id: string } }[] }

it('loses no message that meets the connection of its number on the way, whichever comes first', async () => {
  const rounds = 12
  const wanted = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const number = `80080080080${String(round).padStart(4, '0')}`
    const writing = Array.from({ length: 6 }, async (_, n) => {
      await sleep(n * 5)
      const from = `1555${String(round).padStart(3, '0')}${String(n).padStart(4, '0')}`
      wanted.add(from)
      const message = { from, id: `wamid.${round}.${n}`, timestamp: String(Math.floor(Date.now() / 1000)), type: 'text', text: { body: 'now' } }
      const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: number }, messages: [message] }
      const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: 'w', changes: [{ field: 'messages', value }] }] })
      const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`
      const answer = await fetch(`${recado.recado.url}/webhooks/meta`, { method: 'POST', body, headers: { 'X-Hub-Signature-256': signature } })
      expect(answer.status).toBe(200)
    })
    const connecting = recado.post('/v1/channels', {
      kind: 'business',
      name: `Number ${round}`,
      phone_number_id: number,
      waba_id: `90090090090${round}`,
      access_token: 'some-token',
      verify: false,
    })
    await Promise.all([...writing, connecting])
  }
  let seen = new Set<string>()
  for (let tries = 0; tries < 400 && !wanted.isSubsetOf(seen); tries++) {
    await sleep(100)
    seen = new Set((await recado.get<Conversations>('/v1/conversations?limit=200')).data.map(({ contact }) => contact.wa_id))
  }
  expect([...wanted.difference(seen)]).toEqual([])
})
