import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { template, templateId, type ListedTemplate } from '../../domain/template/template.ts'
import { createCommands } from '../kernel/execute.ts'
import { createCheckTemplate } from './check-template.ts'
import type { Fetched } from './fetch-template.ts'

const tenantId = randomUUID()
const listed: ListedTemplate = {
  wabaId: '2002',
  name: 'offer',
  language: 'es',
  providerId: '81',
  status: 'APPROVED',
  definition: { category: 'UTILITY', parameterFormat: 'positional', components: [{ type: 'BODY', text: 'Hola {{1}}' }] },
}
const context = (): CommandContext => {
  const commandId = randomUUID()
  return { tenantId, actor: { kind: 'api', id: 'k' }, commandId, correlationId: commandId, causationId: commandId, at: new Date() }
}
const message = (...values: string[]) => ({
  wabaId: '2002',
  object: {
    name: 'offer',
    language: { code: 'es' },
    components: values.length === 0 ? [] : [{ type: 'body', parameters: values.map((text) => ({ type: 'text', text })) }],
  },
})

/** Two processes over one log; `meta` is what asking Meta comes to. */
function installation(meta: Fetched | 'has it') {
  const store = createMemoryEventStore()
  const vault = {} as Vault
  const [here, elsewhere] = [createCommands({ store, vault }), createCommands({ store, vault })]
  let now = 1_000
  let asked = 0
  const record = (status: string, commands = elsewhere) =>
    commands.execute(template, templateId(tenantId, listed), { type: 'sync', listed: { ...listed, status }, at: new Date() }, context())
  const check = createCheckTemplate({
    commands: here,
    clock: () => new Date(now),
    async fetchTemplate() {
      asked++
      if (meta !== 'has it') return meta
      await record('APPROVED', here)
      return { read: true }
    },
  })
  return { check: (...values: string[]) => check(message(...values), context()), record, asked: () => asked, later: (ms: number) => void (now += ms) }
}

describe('a template message', () => {
  it('passes when the template is approved and the values fit, without asking Meta', async () => {
    const { check, record, asked } = installation({ read: true })
    await record('APPROVED')
    expect(await check('Ana')).toBeUndefined()
    expect(asked()).toBe(0)
  })
  it('is refused with the place of what does not fit', async () => {
    const { check, record } = installation({ read: true })
    await record('APPROVED')
    expect(await check()).toMatchObject({ refused: 'template_parameters', mistakes: [{ path: 'components' }] })
  })
  it('is never refused from memory: an approval that another process heard of counts at once', async () => {
    const { check, record } = installation({ read: true })
    await record('PENDING')
    expect(await check('Ana')).toMatchObject({ refused: 'template_not_approved' })
    await record('APPROVED')
    expect(await check('Ana')).toBeUndefined()
  })
  it('of a template that is not known here is judged by what Meta has', async () => {
    const { check, asked } = installation('has it')
    expect(await check('Ana', 'too many')).toMatchObject({ refused: 'template_parameters' })
    expect(await check('Ana')).toBeUndefined()
    expect(asked()).toBe(1)
  })
  it('of a template that Meta does not have is refused, and Meta is asked once a minute', async () => {
    const { check, asked, later } = installation({ read: true })
    for (let times = 0; times < 5; times++) expect(await check('Ana')).toMatchObject({ refused: 'template_not_found' })
    expect(asked()).toBe(1)
    later(61_000)
    await check('Ana')
    expect(asked()).toBe(2)
  })
  it('passes unchecked when the template is not known and Meta cannot be asked', async () => {
    const { check } = installation({ refused: 'provider_unreachable', detail: 'away' })
    expect(await check('Ana')).toBeUndefined()
    expect(await check('Ana')).toBeUndefined()
  })
})
