import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import type { Template } from '../../domain/template/state.ts'
import { template, templateId } from '../../domain/template/template.ts'
import type { AlertWish } from '../alerts/alerts.ts'
import { createCommands, type Commands } from '../kernel/execute.ts'
import { createHearTemplateNews } from './hear-template-news.ts'

const tenantId = randomUUID()
const wabaId = '2002'
const at = '2026-01-01T12:00:00.000Z'
const subject = {
  message_template_id: 81,
  message_template_name: 'offer',
  message_template_language: 'en-US',
  message_template_category: 'MARKETING',
}

let commands: Commands
let raised: (AlertWish & { readonly by: string })[]
let settled: string[]
let hear: (field: string, value: unknown) => Promise<void>
const state = async (): Promise<Template> =>
  (await commands.load(template, tenantId, templateId(tenantId, { wabaId, name: 'offer', language: 'en_US' }))).state

beforeEach(() => {
  // Templates hold no secrets: nothing here is ever sealed.
  commands = createCommands({ store: createMemoryEventStore(), vault: {} as Vault })
  raised = []
  settled = []
  const news = createHearTemplateNews({
    commands,
    raiseAlert: (wish, context) => {
      raised.push({ ...wish, by: context.actor.kind })
      return Promise.resolve({ alertId: wish.key, position: '0' as never })
    },
    settleAlert: ({ key }) => {
      settled.push(key.split(':')[0] ?? '')
      return Promise.resolve()
    },
  })
  hear = (field, value) => {
    const commandId = randomUUID()
    const context: CommandContext = {
      tenantId,
      actor: { kind: 'provider', id: 'meta' },
      commandId,
      correlationId: commandId,
      causationId: commandId,
      at: new Date(at),
    }
    return news({ item: { kind: 'news', path: '', field, wabaId, phoneNumberId: undefined, value, at } }, context)
  }
})

describe('news of a template', () => {
  it.each([
    ['APPROVED', 'APPROVED', undefined],
    ['REINSTATED', 'APPROVED', undefined],
    ['UNARCHIVED', 'APPROVED', undefined],
    ['PENDING', 'PENDING', undefined],
    ['IN_APPEAL', 'IN_APPEAL', undefined],
    ['ARCHIVED', 'ARCHIVED', undefined],
    ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', undefined],
    ['REJECTED', 'REJECTED', 'template_rejected'],
    ['PAUSED', 'PAUSED', 'template_paused'],
    ['DISABLED', 'DISABLED', 'template_disabled'],
    ['SOMETHING_NEW', 'SOMETHING_NEW', undefined],
  ])('%s makes it %s', async (event, status, code) => {
    await hear('message_template_status_update', { event, reason: null, ...subject })
    expect((await state()).status).toBe(status)
    expect(raised.map((one) => one.code)).toEqual(code === undefined ? [] : [code])
  })
  it.each(['FLAGGED', 'LOCKED'])('%s is a warning and leaves it as it is', async (event) => {
    await hear('message_template_status_update', { event: 'APPROVED', reason: 'NONE', ...subject })
    await hear('message_template_status_update', { event, reason: null, ...subject })
    expect((await state()).status).toBe('APPROVED')
    expect(raised.map((one) => one.code)).toEqual(['template_flagged'])
  })
  it('keeps the id as text, the language as it is written everywhere else, and why', async () => {
    const rejection = { reason: 'Placeholders at the end', recommendation: 'Add words after them' }
    await hear('message_template_status_update', { event: 'REJECTED', reason: 'INVALID_FORMAT', rejection_info: rejection, ...subject })
    expect(await state()).toMatchObject({ providerId: '81', language: 'en_US', reason: 'INVALID_FORMAT' })
    expect(raised[0]).toMatchObject({ title: 'Meta rejected a template: offer (en_US)', detail: 'Placeholders at the end. Add words after them' })
  })
  it('does without the id when its number lost digits on the way', async () => {
    // oxlint-disable-next-line no-loss-of-precision -- the loss is what it is about
    await hear('message_template_status_update', { event: 'APPROVED', ...subject, message_template_id: 90071992547409931 })
    expect((await state()).status).toBe('APPROVED')
    expect((await state()).providerId).toBeUndefined()
  })
  it('ends the alerts when it may be sent again', async () => {
    await hear('message_template_status_update', { event: 'APPROVED', reason: 'NONE', ...subject })
    expect(settled).toEqual(['template_rejected', 'template_paused', 'template_disabled', 'template_flagged'])
  })
  it('warns of a category that Meta changed, announced, or finds wrong', async () => {
    await hear('template_category_update', { previous_category: 'UTILITY', new_category: 'MARKETING', ...subject })
    await hear('template_category_update', {
      correct_category: 'UTILITY',
      new_category: 'MARKETING',
      category_update_timestamp: 1_900_000_000,
      ...subject,
    })
    await hear('template_correct_category_detection', { category: 'UTILITY', correct_category: 'MARKETING', ...subject })
    expect(raised.map(({ code }) => code)).toEqual(['template_category', 'template_category', 'template_category'])
    expect((await state()).upcoming).toEqual({ category: 'UTILITY', from: '2030-03-17T17:46:40.000Z' })
  })
  it('without a name, or of an unknown field, changes nothing', async () => {
    await hear('message_template_status_update', { event: 'APPROVED' })
    await hear('message_template_status_update', 'nonsense')
    await hear('message_template_other_update', { event: 'APPROVED', ...subject })
    expect((await state()).status).toBe('NONE')
  })
})
