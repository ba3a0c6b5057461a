import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../../simulator/simulator.ts'
import type { CloudApiAccount } from '../../commands/ports/cloud-api.ts'
import type { TemplatesApi } from '../../commands/ports/templates-api.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import { createTemplatesApi } from './templates.ts'

const account: CloudApiAccount = { phoneNumberId: '1', wabaId: '200200200200200', accessToken: 'good-token' }
const definition: TemplateDefinition = {
  category: 'UTILITY',
  parameterFormat: 'positional',
  components: [{ type: 'BODY', text: 'Hola' }],
  messageSendTtlSeconds: 60,
}

describe('templates at Meta', () => {
  let simulator: Simulator
  let api: TemplatesApi
  beforeAll(async () => {
    simulator = await startSimulator({ appSecret: 's', verifyToken: 't', switches: { template_review: 'hold', template_limits: false } })
    simulator.addWaba({ id: account.wabaId })
    simulator.addToken({ token: 'good-token' })
    api = createTemplatesApi({ graphUrl: simulator.url, version: 'v26.0' })
  })
  afterAll(async () => {
    await api.close()
    await simulator.close()
  })

  it('are created, read, edited and deleted, with their ids as text', async () => {
    const created = await api.create(account, { name: 'one', language: 'es', definition })
    if (!('ok' in created)) throw new Error(JSON.stringify(created))
    expect(created.ok).toEqual({ providerId: expect.stringMatching(/^\d{16}$/) as string, status: 'PENDING', category: 'UTILITY' })
    const { providerId } = created.ok
    expect(await api.get(account, providerId)).toEqual({
      ok: { wabaId: account.wabaId, name: 'one', language: 'es', providerId, status: 'PENDING', definition, quality: 'UNKNOWN' },
    })
    expect(await api.edit(account, providerId, { definition })).toMatchObject({ error: { code: 100 } })
    expect(await api.remove(account, { name: 'one', providerId })).toEqual({ ok: true })
    expect(await api.get(account, providerId)).toMatchObject({ error: { code: 100 } })
  })
  it('are listed page by page, and by exact name', async () => {
    for (let number = 0; number < 120; number++) await api.create(account, { name: `many_${number}`, language: 'es', definition })
    const first = await api.list(account, {})
    if (!('ok' in first)) throw new Error(JSON.stringify(first))
    expect(first.ok).toMatchObject({ whole: true, after: expect.any(String) as string })
    const second = await api.list(account, { after: first.ok.after })
    if (!('ok' in second)) throw new Error(JSON.stringify(second))
    expect(second.ok.after).toBeUndefined()
    const names = [...first.ok.templates, ...second.ok.templates].map(({ name }) => name)
    expect(new Set(names).size).toBe(121)
    expect(await api.list(account, { name: 'many_1' })).toMatchObject({ ok: { templates: [{ name: 'many_1' }] } })
  })
  it('are refused in the words of Meta', async () => {
    expect(await api.list({ ...account, accessToken: 'bad' }, {})).toMatchObject({ error: { code: 190 } })
    expect(await api.create(account, { name: 'many_1', language: 'es', definition })).toMatchObject({ error: { code: 2_388_024 } })
  })
  it('cannot be asked about when nobody answers', async () => {
    const away = createTemplatesApi({ graphUrl: 'http://127.0.0.1:9', version: 'v26.0', timeoutMs: 500 })
    expect(await away.list(account, {})).toEqual({ unreachable: expect.any(String) as string })
    await away.close()
  })
})

describe('an answer of Meta that is not as expected', () => {
  let server: Server
  let api: TemplatesApi
  const asked: string[] = []
  beforeAll(async () => {
    server = createServer((req, res) => {
      asked.push(req.url ?? '')
      const refuses = (req.url ?? '').includes('rejected_reason')
      res.writeHead(refuses ? 400 : 200, { 'content-type': 'application/json' })
      res.end(
        refuses
          ? '{"error":{"code":100,"message":"(#100) Tried accessing nonexisting field (rejected_reason) on node type (WhatsAppMessageTemplate)"}}'
          : '{"data":[{"id":90071992547409931,"name":"big","language":"es","status":"APPROVED","category":"UTILITY","components":[]},{"name":"no id"}]}',
      )
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    api = createTemplatesApi({ graphUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, version: 'v26.0' })
  })
  afterAll(async () => {
    await api.close()
    server.close()
  })

  it('does without a field that Meta does not have, keeps every digit of an id, and says when something could not be read', async () => {
    expect(await api.list(account, {})).toMatchObject({ ok: { templates: [{ providerId: '90071992547409931', name: 'big' }], whole: false } })
    await api.list(account, {})
    expect(asked.map((url) => url.includes('rejected_reason'))).toEqual([true, false, false])
  })
})
