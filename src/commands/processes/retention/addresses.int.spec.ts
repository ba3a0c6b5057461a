import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHouse } from '../../../../tests/support/house.ts'
import { createKeyDestroyer } from '../../../adapters/keyring/key-destroyer.ts'
import { tenant } from '../../../domain/tenant/tenant.ts'
import { addressSubject, createAuditTrail } from '../../audit/trail.ts'
import { createCommands } from '../../kernel/execute.ts'
import { createForgetAddresses } from './addresses.ts'

type House = Awaited<ReturnType<typeof openHouse>>

let house: House
beforeAll(async () => {
  house = await openHouse([])
})
afterAll(() => house.close())

const september = new Date('2025-09-30T23:59:59Z')
const october = new Date('2025-10-01T00:00:00Z')

async function organisation(settings: { retention?: { address_months: number } }): Promise<string> {
  const tenantId = randomUUID()
  const id = randomUUID()
  const context = { tenantId, actor: { kind: 'process', id: 'test' }, commandId: id, correlationId: id, causationId: id, at: new Date() } as const
  const commands = createCommands(house)
  await commands.execute(tenant, tenantId, { type: 'create', name: 'Casa', slug: tenantId, plan: 'free', locale: 'es' }, context)
  await commands.execute(tenant, tenantId, { type: 'change', settings }, { ...context, commandId: randomUUID() })
  return tenantId
}

/** A request of that moment; how its address reads afterwards. */
async function requestOf(tenantId: string, at: Date) {
  const correlationId = randomUUID()
  const sealed = await createAuditTrail(house).sealAddress('203.0.113.7', { tenantId, correlationId, at })
  return () => house.freshVault().open({ tenantId, subject: addressSubject(at), eventId: correlationId, field: 'ip' }, sealed)
}

const forgetAt = (moment: string) =>
  createForgetAddresses({ keys: createKeyDestroyer(house.pools.worker), commands: createCommands(house), clock: () => new Date(moment) })(
    house.signal,
  )

describe('the addresses that requests came from', () => {
  it('are forgotten a month at a time, after a year or as the organisation wishes, and nothing else of it is', async () => {
    const [usual, brief] = [await organisation({}), await organisation({ retention: { address_months: 1 } })]
    const contact = { tenantId: brief, subject: 'addresses', eventId: randomUUID(), field: 'name' }
    await house.vault.ensure(brief, [contact.subject])
    const name = house.vault.seal(contact, 'Ana')
    const [first, second, third] = [await requestOf(brief, september), await requestOf(brief, october), await requestOf(usual, september)]
    const kept = { text: '203.0.113.7' }
    const gone = { erased: true }

    expect(await forgetAt('2025-10-31T23:59:59Z')).toBe(0)
    expect(await forgetAt('2025-11-01T00:00:00Z')).toBe(1)
    expect([await first(), await second(), await third()]).toEqual([gone, kept, kept])
    expect(await forgetAt('2026-09-30T23:59:59Z')).toBe(1)
    expect([await first(), await second(), await third()]).toEqual([gone, gone, kept])
    expect(await forgetAt('2026-10-01T00:00:00Z')).toBe(1)
    expect(await third()).toEqual(gone)
    expect(await forgetAt('2036-10-01T00:00:00Z')).toBe(0)
    expect(await house.freshVault().open(contact, name)).toEqual({ text: 'Ana' })
  })

  it('of people by the million are not looked through for it', async () => {
    await house.pools.owner.query(
      `insert into keyring.subject_keys (tenant_id, subject, version, wrapped_key) select $1, 'p' || n, 1, '\\x00' from generate_series(1, 20000) n`,
      [randomUUID()],
    )
    await house.pools.owner.query('analyze keyring.subject_keys')
    const { rows } = await house.pools.owner.query<{ 'QUERY PLAN': string }>(
      `explain (costs off) select distinct tenant_id, subject from keyring.subject_keys
       where position(':' in subject) > 0 and wrapped_key is not null and subject ^@ 'addresses:' order by tenant_id, subject`,
    )
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/subject_keys_of_things/)
  })
})
