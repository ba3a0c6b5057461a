import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { createFakeProvider, newMasterKey, startProcess, type FakeProvider, type Process } from '../../../../tests/support/sending.ts'
import { conversation } from '../../../domain/conversation/conversation.ts'
import type { Priority } from '../../../domain/conversation/events.ts'
import type { Json } from '../../../domain/tenant/state.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { createFindContact } from '../../contacts/find-contact.ts'
import { createInbox } from '../../conversations/inbox.ts'
import { applyPolicies } from './unknown-outcomes.ts'

let database: TestDatabase
let here: Process
let provider: FakeProvider
let tenantId: string
let channelId: string
const quiet = { info: () => undefined, warn: () => undefined }
const minutes = (n: number) => new Date(Date.now() + n * 60_000)

beforeAll(async () => {
  database = await freshDatabase()
  here = await startProcess({ url: database.url, masterKey: newMasterKey() })
})
beforeEach(async () => {
  tenantId = randomUUID()
  channelId = randomUUID()
  provider = createFakeProvider()
  provider.answer = () => ({ outcome: 'unknown', reason: 'time-out' })
  await here.commands.execute(
    tenant,
    tenantId,
    { type: 'create', name: 'Acme', slug: tenantId, plan: 'standard', locale: 'es' },
    here.context(tenantId),
  )
})
afterAll(async () => {
  await here.close()
  await database.drop()
})

const settings = async (wanted: Record<string, Json>) =>
  here.commands.execute(tenant, tenantId, { type: 'change', settings: wanted }, here.context(tenantId))
const notNeeded = (): never => {
  throw new Error('nobody is met here')
}
async function apply(at: Date): Promise<void> {
  const { commands, vault, pool } = here
  const inbox = createInbox({
    ...here,
    meetContact: notNeeded,
    findContact: createFindContact({ commands, vault }),
    checkTemplate: notNeeded,
  })
  await applyPolicies({ pool, commands, inbox, clock: () => at, log: quiet })
}
async function lost(priority: Priority): Promise<{ messageId: string; id: string }> {
  const { stop } = here.startSender({ cloudApi: provider.api })
  const someone = await here.openConversation(tenantId, channelId, `549${Math.floor(Math.random() * 1e10)}`)
  const messageId = await here.queue(tenantId, channelId, someone, 'Hola', priority)
  await expect.poll(async () => (await here.outbox()).find((row) => row.message_id === messageId)?.state).toBe('unknown')
  await stop()
  return { messageId, id: someone.id }
}
const stageOf = async ({ messageId, id }: { messageId: string; id: string }) => (await here.messageOf(tenantId, id, messageId))?.stage

describe('a message of which nobody knows whether it left', () => {
  it('is left to a person when an agent wrote it, and given up after the wait when it was part of a campaign', async () => {
    const [agent, campaign] = [await lost('agent'), await lost('campaign')]
    await apply(minutes(14))
    expect(await stageOf(campaign)).toBe('unknown')
    await apply(minutes(16))
    await apply(minutes(16))
    expect(await stageOf(campaign)).toBe('failed')
    expect(await here.eventsOf(campaign.messageId)).toEqual(['MessageQueued', 'SendAttempted', 'SendOutcomeUnknown', 'SendResolved'])
    expect(await stageOf(agent)).toBe('unknown')
  })

  it('is sent again once where the organisation wants that, and then left to a person', async () => {
    await settings({ unknown_outcome: 'resend_after', unknown_outcome_wait_minutes: 1 })
    const message = await lost('agent')
    await apply(minutes(2))
    await apply(minutes(2))
    expect(await stageOf(message)).toBe('queued')
    const { stop } = here.startSender({ cloudApi: provider.api })
    await expect.poll(() => stageOf(message)).toBe('unknown')
    await expect.poll(async () => (await here.outbox()).find((row) => row.message_id === message.messageId)?.state).toBe('unknown')
    await stop()
    await apply(minutes(9))
    expect(await stageOf(message)).toBe('unknown')
    expect(provider.calls).toHaveLength(2)
  })

  it('is not touched when the provider reported it meanwhile, though the outbox does not know yet', async () => {
    await settings({ unknown_outcome: 'resend_after' })
    const message = await lost('agent')
    const report = {
      type: 'recordStatus',
      messageId: message.messageId,
      providerId: 'wamid.x',
      status: 'delivered',
      at: new Date().toISOString(),
    } as const
    await here.commands.execute(conversation, message.id, report, here.context(tenantId))
    await apply(minutes(60))
    expect(await stageOf(message)).toBe('accepted')
  })
})
