import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import { everyRow } from '../../../tests/support/sealed-people.ts'
import { createKeyDestroyer } from '../../adapters/keyring/key-destroyer.ts'
import { createRebuilds, isOver } from '../../projections/engine/rebuilds.ts'
import { runRebuilds } from '../../projections/engine/run-rebuilds.ts'
import { projections } from '../../projections/index.ts'

let desk: Desk
beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk.stop())

const said = 'mi hija se llama Consolación'
const [name, waId] = ['Remedios Amaya', '34600987123']

/** Whatever shows something of the person: lists, threads, the past, the timeline, the audit trail and the log with its sealed fields opened. */
async function everywhere(
  key: string,
  { conversationId, contactId, messageId }: Readonly<Record<string, string>>,
  moment: string,
): Promise<string[]> {
  const paths = [
    '/v1/conversations',
    `/v1/conversations/${conversationId}`,
    `/v1/conversations/${conversationId}?as_of=${moment}`,
    `/v1/conversations/${conversationId}/messages`,
    `/v1/conversations/${conversationId}/messages?as_of=${moment}`,
    `/v1/conversations/${conversationId}/timeline`,
    `/v1/messages/${messageId}`,
    '/v1/contacts',
    `/v1/contacts/${contactId}`,
    `/v1/contacts/${contactId}?as_of=${moment}`,
    '/v1/audit',
    '/v1/events?reveal=true',
  ]
  const answers: string[] = []
  for (const path of paths) {
    const { status, text } = await desk.call(key, 'GET', path)
    expect([path, status]).toEqual([path, 200])
    answers.push(`${path}\n${text}`)
  }
  return answers
}
/** Each request for sealed data is an entry itself, so these two grow by being looked at. */
const still = (answers: readonly string[]): readonly string[] => answers.filter((one) => !/^\/v1\/(?:audit|events)/.test(one))

async function rebuildAll(): Promise<void> {
  const { pools, store, scan, index, signal } = desk.house
  const stop = new AbortController()
  const doing = runRebuilds({
    projections,
    store,
    scan,
    index,
    pool: pools.worker,
    copyPool: pools.copy,
    owner: randomUUID(),
    signal: AbortSignal.any([signal, stop.signal]),
    log: pino({ level: 'silent' }),
    pollMs: 20,
  })
  const rebuilds = createRebuilds({ pool: pools.worker, projections })
  const answer = await rebuilds.request({ projections: projections.map(({ name: one }) => one), requestedBy: { kind: 'operator', id: 'test' } })
  if ('refused' in answer) throw new Error(answer.refused)
  await expect.poll(async () => isOver((await rebuilds.get(answer.rebuild.id))?.state ?? 'created'), { timeout: 60_000 }).toBe(true)
  expect(await rebuilds.get(answer.rebuild.id)).toMatchObject({ state: 'live' })
  stop.abort()
  await doing
}

describe('a person whose key was destroyed', () => {
  it('says nothing any more, wherever somebody looks and whatever was rebuilt; the others go on', { timeout: 120_000 }, async () => {
    const tenant = await desk.tenant()
    const written = await desk.customerWrites(tenant, waId, said, name)
    const other = await desk.customerWrites(tenant, '34600111222', 'yo sigo aquí', 'Lola')
    const answered = await desk.call(
      tenant.key,
      'POST',
      `/v1/conversations/${written.conversationId}/messages`,
      { text: `claro, ${name}` },
      {
        'idempotency-key': randomUUID(),
      },
    )
    expect(answered.status).toBe(202)
    const { position } = await desk.store.head()
    const applied = async (): Promise<void> => {
      expect(
        await desk.applied.waitFor(
          projections.map((one) => one.name),
          (await desk.store.head()).position,
          30_000,
        ),
      ).toBe(true)
    }
    await applied()
    const before = (await everywhere(tenant.key, written, position)).join('\n')
    for (const word of [said, name, waId]) expect(before).toContain(word)
    // Nobody who reads the disk ever saw it.
    const words = [said, name, waId].flatMap((word) => [word, Buffer.from(word).toString('hex'), Buffer.from(word).toString('base64').slice(2, -4)])
    const stored = await everyRow(desk.pools.owner)
    expect(stored.filter((line) => words.some((word) => line.includes(word)))).toEqual([])

    const keys = createKeyDestroyer(desk.pools.worker)
    expect(await keys.destroy([{ tenantId: tenant.tenantId, subject: written.contactId }])).toBe(1)
    desk.house.aMinuteLater()
    const live = await everywhere(tenant.key, written, position)
    for (const answer of live) for (const word of [said, name, waId]) expect(answer).not.toContain(word)
    expect(live.join('\n')).toContain('Erased contact')
    expect(live.join('\n')).toContain('yo sigo aquí')

    await rebuildAll()
    await applied()
    expect(still(await everywhere(tenant.key, written, position))).toEqual(still(live))
    expect((await desk.call(tenant.key, 'GET', `/v1/messages/${other.messageId}`)).text).toContain('yo sigo aquí')
  })
})
