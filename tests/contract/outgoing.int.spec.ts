import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator, type Simulator } from '../../simulator/simulator.ts'
import { createCloudApi } from '../../src/adapters/whatsapp-cloud/cloud-api.ts'
import type { CloudApi, OutgoingMessage, SendOutcome } from '../../src/commands/ports/cloud-api.ts'
import { outgoingBody, outgoingContent, outgoingTypes } from '../../src/domain/conversation/outgoing.ts'
import { goodShapes, wrongShapes, type Shape } from '../support/outgoing-shapes.ts'

const schema = outgoingBody({})
const account = { phoneNumberId: '100000000000001', wabaId: '200000000000001', accessToken: 'a-token-of-the-test' }
let simulator: Simulator
let cloudApi: CloudApi

beforeAll(async () => {
  simulator = await startSimulator({ appSecret: 's', verifyToken: 'v' })
  simulator.addNumber({ waba_id: account.wabaId, phone_number_id: account.phoneNumberId })
  simulator.addToken({ token: account.accessToken })
  simulator.setSwitches({ window: 'off', pair_limit: false, throughput_per_second: 0 })
  cloudApi = createCloudApi({ graphUrl: simulator.url, version: 'v26.0' })
})
afterAll(async () => {
  await cloudApi.close()
  await simulator.close()
})

async function send(message: Pick<OutgoingMessage, 'type' | 'object'> & Partial<OutgoingMessage>): Promise<SendOutcome> {
  return cloudApi.send(account, { to: { waId: '5491122334455' }, callbackData: 'ours', ...message })
}
const parsed = ({ type, object }: Shape) => schema.safeParse({ type, [type]: object })

describe('what may be sent', () => {
  it.each(goodShapes)('$name is taken here and by the provider', async (shape) => {
    const result = parsed(shape)
    expect(result.error?.issues ?? []).toEqual([])
    if (!result.success) return
    const { type, object } = outgoingContent(result.data)
    expect(await send({ type, object })).toMatchObject({ outcome: 'accepted' })
  })
  it('has every type in it', () => {
    const tried = new Set(goodShapes.map(({ type }) => type))
    // Templates and reactions need something at the provider: a template, a message to stand on. They are tried below.
    expect(outgoingTypes.filter((type) => !tried.has(type))).toEqual(['template', 'reaction'])
  })
})

describe('a reaction', () => {
  const react = async (reaction: { message_id: string; emoji: string }) => {
    const { type, object } = outgoingContent(schema.parse({ type: 'reaction', reaction }))
    return send({ type, object })
  }
  it('stands on a message of the customer and is taken back by an empty one', async () => {
    const { id } = simulator.customerWrites('5491122334455', { type: 'text', text: { body: 'Hola' }, phone_number_id: account.phoneNumberId })
    expect(await react({ message_id: id, emoji: '👩🏽‍💻' })).toMatchObject({ outcome: 'accepted' })
    // A heart as keyboards write it, without the selector that Meta wants.
    expect(await react({ message_id: id, emoji: '\u2764' })).toMatchObject({ outcome: 'accepted' })
    expect(await react({ message_id: id, emoji: '' })).toMatchObject({ outcome: 'accepted' })
  })
  it('is no reply', () => {
    const body = { type: 'reaction', reaction: { message_id: 'wamid.IN', emoji: '👍' }, context: { message_id: 'wamid.IN' } }
    expect(schema.safeParse(body).error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['context'] }])
  })
})

describe('a template', () => {
  it('that is approved is taken here and by the provider', async () => {
    const template = { name: 'hello_world', language: { code: 'en_US', policy: 'deterministic' }, components: [] }
    const { type, object } = outgoingContent(schema.parse({ type: 'template', template }))
    expect(await send({ type, object })).toMatchObject({ outcome: 'accepted' })
  })
  it('may have every kind of component and value', () => {
    const image = { link: 'https://example.com/a.png' }
    const components = [
      { type: 'HEADER', parameters: [{ type: 'image', image }] },
      {
        type: 'body',
        parameters: [
          { type: 'text', parameter_name: 'first_name', text: 'Ana' },
          { type: 'currency', currency: { fallback_value: '$9', code: 'USD', amount_1000: 9000 } },
          { type: 'date_time', date_time: { fallback_value: 'today' } },
        ],
      },
      { type: 'button', sub_type: 'url', index: '0', parameters: [{ type: 'text', text: 'abc' }] },
      { type: 'button', sub_type: 'QUICK_REPLY', index: 1, parameters: [{ type: 'payload', payload: 'P' }] },
      { type: 'button', sub_type: 'copy_code', index: '2', parameters: [{ type: 'coupon_code', coupon_code: 'SAVE' }] },
      { type: 'button', sub_type: 'flow', index: '3', parameters: [{ type: 'action', action: { flow_token: 't' } }] },
      { type: 'button', sub_type: 'voice_call', index: '4', parameters: [{ type: 'ttl_minutes', ttl_minutes: 100 }] },
      { type: 'limited_time_offer', parameters: [{ type: 'limited_time_offer', limited_time_offer: { expiration_time_ms: 1_790_000_000_000 } }] },
      { type: 'carousel', cards: [{ card_index: 0, components: [{ type: 'header', parameters: [{ type: 'image', image }] }] }] },
    ]
    const result = schema.safeParse({ type: 'template', template: { name: 'offer', language: { code: 'es' }, components } })
    expect(result.error?.issues ?? []).toEqual([])
  })
  it.each([
    ['a name in capitals', 'template.name', { name: 'Hello', language: { code: 'es' } }],
    ['no language', 'template.language', { name: 'hello' }],
    ['an unknown component', 'template.components.0.type', { name: 'hello', language: { code: 'es' }, components: [{ type: 'hat' }] }],
    [
      'a value of nothing',
      'template.components.0.parameters.0.text',
      { name: 'hello', language: { code: 'es' }, components: [{ type: 'body', parameters: [{ type: 'text', text: '' }] }] },
    ],
    [
      'a button without its place',
      'template.components.0.index',
      { name: 'hello', language: { code: 'es' }, components: [{ type: 'button', sub_type: 'url', parameters: [] }] },
    ],
  ])('with %s is refused by its path', (_name, path, template) => {
    expect(schema.safeParse({ type: 'template', template }).error?.issues.map((issue) => issue.path.join('.'))).toContain(path)
  })
})

describe('what may not be sent', () => {
  it.each(wrongShapes)('$name is refused here, by its path, and by the provider', async (shape) => {
    const { type, object, path, stricterHere } = shape
    const paths = parsed(shape).error?.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key].join('.')) : [issue.path.join('.')],
    )
    expect(paths).toContain(path)
    const outcome = await send({ type, object })
    if (stricterHere !== true) expect(outcome).toMatchObject({ outcome: 'rejected' })
  })
})
