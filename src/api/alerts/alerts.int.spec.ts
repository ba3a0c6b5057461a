import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startOffice, type Office } from '../../../tests/support/office.ts'
import type { AlertWish } from '../../commands/alerts/alerts.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'

let office: Office
beforeAll(async () => {
  office = await startOffice()
})
afterAll(() => office.stop())

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))
function contextOf(tenantId: string, when: Date): CommandContext {
  const commandId = randomUUID()
  return { tenantId, actor: { kind: 'process', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: when }
}
const trouble = (key: string, more: Partial<AlertWish> = {}): AlertWish => ({
  key,
  code: 'number_quality',
  severity: 'warning',
  title: 'Meta flagged the number',
  detail: 'Send less.',
  entity: { type: 'channel', id: 'c' },
  ...more,
})

describe('the alerts of an organisation', () => {
  it('are listed, last raised first, page by page, by status and by code', async () => {
    const { key, id } = await office.tenant()
    let position = ''
    for (let n = 1; n <= 3; n++) ({ position } = await office.here.raiseAlert(trouble(`number_quality:${n}`), contextOf(id, at(n))))
    ;({ position } = await office.here.raiseAlert(trouble('two_step_pin:1', { code: 'two_step_pin', title: 'PIN' }), contextOf(id, at(3))))
    await office.here.settleAlert({ key: 'number_quality:1', reason: 'over' }, contextOf(id, at(9)))
    const settled = await office.here.raiseAlert(trouble('number_quality:9'), contextOf(id, at(0)))
    const after = { 'x-read-after': settled.position > position ? settled.position : position }
    const titles = async (query: string) =>
      (await office.call(key, 'GET', `/v1/alerts?${query}`, undefined, after)).list as unknown as { raised_at: string; code: string }[]
    expect((await titles('status=open')).map(({ raised_at }) => raised_at)).toEqual(
      [at(3), at(3), at(2), at(0)].map((moment) => moment.toISOString()),
    )
    expect(await titles('status=resolved')).toMatchObject([
      { raised_at: at(1).toISOString(), status: 'resolved', resolved_at: at(9).toISOString(), reason: 'over' },
    ])
    expect((await titles('code=two_step_pin')).map(({ code }) => code)).toEqual(['two_step_pin'])
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const page = await office.call(key, 'GET', `/v1/alerts?limit=2${cursor}`, undefined, after)
      seen.push(...page.list.map((one) => one.id))
      const next = (page.json as { next_cursor: string | null }).next_cursor
      if (next === null) break
      cursor = `&cursor=${next}`
    }
    expect(new Set(seen).size).toBe(5)
    expect(seen).toHaveLength(5)
    expect((await office.call(key, 'GET', '/v1/alerts?cursor=nonsense')).status).toBe(422)
  })

  it('are resolved by a person, and open again when the trouble comes back', async () => {
    const { key, id } = await office.tenant()
    const { alertId, position } = await office.here.raiseAlert(trouble('number_quality:1'), contextOf(id, at(1)))
    const path = `/v1/alerts/${alertId}`
    const read = await office.call(key, 'GET', path, undefined, { 'x-read-after': position })
    expect(read.json).toMatchObject({ id: alertId, status: 'open', severity: 'warning', entity: { type: 'channel', id: 'c' }, detail: 'Send less.' })
    const resolved = await office.call(key, 'POST', `${path}/resolve`, { reason: 'We send less' }, { 'if-match': '"1"' })
    expect(resolved.json).toMatchObject({ status: 'resolved', reason: 'We send less', resolved_by: { kind: 'api' } })
    expect((await office.call(key, 'POST', `${path}/resolve`, {}, { 'if-match': '"1"' })).status).toBe(412)
    expect((await office.call(key, 'POST', `${path}/resolve`)).json).toMatchObject({ status: 'resolved', version: 2 })
    const again = await office.here.raiseAlert(trouble('number_quality:1'), contextOf(id, new Date(Date.now() + 1_000)))
    expect(again.alertId).toBe(alertId)
    expect((await office.call(key, 'GET', path, undefined, { 'x-read-after': again.position })).json).toMatchObject({
      status: 'open',
      first_raised_at: at(1).toISOString(),
    })
  })

  it('of one organisation are nothing to another', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const { alertId, position } = await office.here.raiseAlert(trouble('number_quality:1'), contextOf(a.id, at(1)))
    const after = { 'x-read-after': position }
    expect((await office.call(b.key, 'GET', '/v1/alerts', undefined, after)).list).toEqual([])
    expect((await office.call(b.key, 'GET', `/v1/alerts/${alertId}`, undefined, after)).status).toBe(404)
    expect((await office.call(b.key, 'POST', `/v1/alerts/${alertId}/resolve`)).status).toBe(404)
    expect((await office.call(a.key, 'GET', `/v1/alerts/${alertId}`)).json).toMatchObject({ status: 'open' })
  })
})
