import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTenantCreation } from '../../commands/tenants/create-tenant.ts'
import type { CommandContext } from '../../domain/kernel/context.ts'
import { platformTenant } from '../../domain/kernel/stream.ts'
import { scopes } from '../http/scopes.ts'
import { operatorKey, startOffice, type Office } from '../../../tests/support/office.ts'

let office: Office
const contextOf = (tenantId: string): CommandContext => {
  const commandId = randomUUID()
  return { tenantId, actor: { kind: 'process', id: 'test' }, commandId, correlationId: commandId, causationId: commandId, at: new Date() }
}
beforeAll(async () => {
  office = await startOffice()
})
afterAll(() => office.stop())

describe('organisations', () => {
  it('are created by the operator with a key that works in the very next request', async () => {
    const slug = `acme-${randomUUID().slice(0, 8)}`
    const made = await office.call(operatorKey, 'POST', '/v1/tenants', { name: 'Acme', slug, admin: { email: 'Ana@example.com', name: 'Ana' } })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      tenant: { name: 'Acme', slug, plan: 'standard', status: 'active', version: 2 },
      admin: { email: 'Ana@example.com', role: 'admin' },
      api_key: { scopes: ['*'] },
    })
    const key = made.said('api_key', 'key')
    const me = await office.call(key, 'GET', '/v1/me')
    expect(me.json).toMatchObject({ kind: 'key', tenant: { slug, status: 'active' }, scopes: ['*'] })
    const own = await office.call(undefined, 'GET', '/v1/tenant', undefined, {
      'x-api-key': key,
      'x-read-after': made.headers.get('x-position') ?? '',
    })
    expect(own.json).toMatchObject({ id: made.said('tenant', 'id'), slug })
    expect(own.headers.get('etag')).toBe('"2"')
    expect(own.headers.get('x-stale')).toBeNull()
  })

  it('never have their keys or the admin in plain text in the log', async () => {
    const { rows } = await office.pools.worker.query<{ data: string }>('select data::text as data from es.events')
    const log = rows.map(({ data }) => data).join('\n')
    expect(log).toContain('"hash"')
    expect(log).not.toMatch(/rk_/)
    expect(log.toLowerCase()).not.toContain('ana@example.com')
  })

  it('need a slug of their own', async () => {
    const { slug } = await office.tenant()
    const second = await office.call(operatorKey, 'POST', '/v1/tenants', { name: 'Other', slug })
    expect(second.status).toBe(409)
    expect(second.said('code')).toBe('slug_taken')
  })

  it('of which two ask for one slug at once: one gets it', async () => {
    const slug = `race-${randomUUID().slice(0, 8)}`
    const both = await Promise.all(['One', 'Two', 'Three'].map((name) => office.call(operatorKey, 'POST', '/v1/tenants', { name, slug })))
    expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409, 409])
  })

  it('get the slug of one whose creation died half-way, which then can never finish', async () => {
    const slug = `half-${randomUUID().slice(0, 8)}`
    const { commands, ...rest } = office.here
    const killed = createTenantCreation({ ...rest, commands: { ...commands, executeAll: () => Promise.reject(new Error('killed')) } })
    const context = { ...contextOf(platformTenant), at: new Date(Date.now() - 60_000) }
    const wish = { name: 'Dead', slug, plan: 'standard' as const, locale: 'en' }
    await expect(killed(wish, context)).rejects.toThrow('killed')

    const next = await office.call(operatorKey, 'POST', '/v1/tenants', { name: 'Alive', slug })
    expect(next.status).toBe(201)
    expect(await office.here.createTenant(wish, context)).toEqual({ refused: 'slug_taken' })
    const found = await office.call(operatorKey, 'GET', '/v1/me', undefined, { 'x-tenant': slug })
    expect(found.said('tenant', 'id')).toBe(next.said('tenant', 'id'))
  })

  it('whose creation died half-way are finished by the same command, with the same key', async () => {
    const slug = `twice-${randomUUID().slice(0, 8)}`
    const context = contextOf(platformTenant)
    const wish = { name: 'Again', slug, plan: 'standard' as const, locale: 'en' }
    const { commands, ...rest } = office.here
    let appended = 0
    const killed = createTenantCreation({
      ...rest,
      commands: {
        ...commands,
        async executeAll(aggregate, id, wishes) {
          await commands.executeAll(aggregate, id, wishes)
          appended++
          throw new Error('killed')
        },
      },
    })
    await expect(killed(wish, context)).rejects.toThrow('killed')
    const done = await office.here.createTenant(wish, context)
    expect(appended).toBe(1)
    if (!('apiKey' in done)) throw new Error('refused')
    expect((await office.call(done.apiKey.key, 'GET', '/v1/me')).said('tenant', 'slug')).toBe(slug)
  })

  it('are listed for the operator only, page by page, none twice', async () => {
    const own = await office.tenant()
    await office.tenant()
    expect((await office.call(own.key, 'GET', '/v1/tenants')).json).toMatchObject({ status: 403, code: 'forbidden' })
    const head = (await office.call(operatorKey, 'PATCH', `/v1/tenants/${own.id}`, { plan: 'enterprise' })).headers.get('x-position') ?? ''
    const ids: string[] = []
    let cursor = ''
    do {
      const page = await office.call(operatorKey, 'GET', `/v1/tenants?limit=2${cursor}`, undefined, { 'x-read-after': head })
      expect(page.list.length).toBeLessThanOrEqual(2)
      ids.push(...page.list.map(({ id }) => id))
      cursor = page.said('next_cursor') === 'null' ? '' : `&cursor=${page.said('next_cursor')}`
    } while (cursor !== '')
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toContain(own.id)
  })

  it('change only under the version that was read', async () => {
    const { key } = await office.tenant()
    const changed = await office.call(key, 'PATCH', '/v1/tenant', { settings: { auto_reply: 'soon', sync_contacts: true } }, { 'if-match': '"2"' })
    expect(changed.json).toMatchObject({ settings: { auto_reply: 'soon', sync_contacts: true }, version: 3 })
    expect(changed.headers.get('etag')).toBe('"3"')
    const stale = await office.call(key, 'PATCH', '/v1/tenant', { name: 'Late' }, { 'if-match': '"2"' })
    expect(stale.json).toMatchObject({ status: 412, code: 'precondition_failed' })
    expect(stale.headers.get('etag')).toBe('"3"')
    const less = await office.call(key, 'PATCH', '/v1/tenant', { settings: { auto_reply: null } })
    expect(less.json).toMatchObject({ settings: { sync_contacts: true } })
    expect(less.text).not.toContain('auto_reply')
  })

  it('cannot choose their own plan', async () => {
    const { key } = await office.tenant()
    const { json } = await office.call(key, 'PATCH', '/v1/tenant', { plan: 'enterprise' })
    expect(json).toMatchObject({ status: 422, errors: [{ path: 'body.plan', code: 'unrecognized_key' }] })
  })

  it('have a plan of any name and a locale of any language, and nothing else there', async () => {
    const wish = () => ({ name: 'Any', slug: `any-${randomUUID().slice(0, 8)}` })
    const made = await office.call(operatorKey, 'POST', '/v1/tenants', { ...wish(), plan: 'pro_2026', locale: 'es-419' })
    expect(made.json).toMatchObject({ tenant: { plan: 'pro_2026', locale: 'es-419' } })
    const changed = await office.call(operatorKey, 'PATCH', `/v1/tenants/${made.said('tenant', 'id')}`, { plan: 'gold', locale: 'zh-Hans-CN' })
    expect(changed.json).toMatchObject({ plan: 'gold', locale: 'zh-Hans-CN' })
    for (const odd of [{ plan: 'Gold Plan' }, { plan: '' }, { locale: 'english please' }, { locale: 'es-' }, { locale: 'es-es-es' }]) {
      expect((await office.call(operatorKey, 'POST', '/v1/tenants', { ...wish(), ...odd })).json).toMatchObject({ status: 422 })
    }
  })

  it('when suspended can read and not change, for the operator acting in them too, until they are resumed', async () => {
    const { id, key, slug } = await office.tenant()
    expect((await office.call(operatorKey, 'POST', `/v1/tenants/${id}/suspend`, { reason: 'unpaid' })).json).toMatchObject({ status: 'suspended' })
    expect((await office.call(key, 'GET', '/v1/tenant')).status).toBe(200)
    expect((await office.call(key, 'PATCH', '/v1/tenant', { name: 'x' })).json).toMatchObject({ status: 403, code: 'tenant_suspended' })
    const operator = await office.call(operatorKey, 'PATCH', '/v1/tenant', { name: 'x' }, { 'x-tenant': slug })
    expect(operator.said('code')).toBe('tenant_suspended')
    expect((await office.call(operatorKey, 'POST', `/v1/tenants/${id}/resume`)).json).toMatchObject({ status: 'active' })
    expect((await office.call(key, 'PATCH', '/v1/tenant', { name: 'Back' })).json).toMatchObject({ name: 'Back' })
  })

  it('once closed stay closed, and give their numbers back', async () => {
    const { id, key } = await office.tenant()
    const next = await office.tenant()
    const number = { kind: 'business', name: 'Sales', phone_number_id: '777000777', waba_id: '1', access_token: 'EAAG-good-token' }
    expect((await office.call(key, 'POST', '/v1/channels', number)).status).toBe(201)
    expect((await office.call(next.key, 'POST', '/v1/channels', number)).said('code')).toBe('number_taken')
    expect((await office.call(operatorKey, 'POST', `/v1/tenants/${id}/close`)).json).toMatchObject({ status: 'closed' })
    expect((await office.call(operatorKey, 'POST', `/v1/tenants/${id}/resume`)).said('code')).toBe('tenant_closed')
    expect((await office.call(next.key, 'POST', '/v1/channels', number)).status).toBe(201)
  })

  it('that do not exist are not found', async () => {
    for (const id of [randomUUID(), 'no-uuid', '%F0%9F%92%A9']) {
      expect((await office.call(operatorKey, 'GET', `/v1/tenants/${id}`)).json).toMatchObject({ status: 404, code: 'not_found' })
      expect((await office.call(operatorKey, 'POST', `/v1/tenants/${id}/suspend`)).json).toMatchObject({ status: 404 })
    }
  })
})

describe('the operator', () => {
  it('must name the tenant it acts in, and then acts as itself', async () => {
    const { id, slug } = await office.tenant()
    expect((await office.call(operatorKey, 'GET', '/v1/tenant')).json).toMatchObject({ status: 400, code: 'tenant_required' })
    expect((await office.call(operatorKey, 'GET', '/v1/tenant', undefined, { 'x-tenant': 'nobody' })).status).toBe(404)
    for (const name of [id, slug]) {
      expect((await office.call(operatorKey, 'GET', '/v1/tenant', undefined, { 'x-tenant': name })).json).toMatchObject({ id })
    }
    await office.call(operatorKey, 'PATCH', '/v1/tenant', { name: 'By operator' }, { 'x-tenant': slug, 'x-request-id': 'req-from-outside' })
    const { rows } = await office.pools.worker.query<{ metadata: { actor: unknown; correlationId: string } }>(
      `select metadata from es.events where tenant_id = $1 order by position desc limit 1`,
      [id],
    )
    expect(rows[0]?.metadata).toMatchObject({ actor: { kind: 'operator' }, correlationId: 'req-from-outside' })
  })

  it('is not whom a key may claim to be', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const own = await office.call(a.key, 'GET', '/v1/tenant', undefined, { 'x-tenant': b.slug })
    expect(own.said('id')).toBe(a.id)
  })
})

describe('API keys', () => {
  it('do what their scopes say and no more', async () => {
    const { key } = await office.tenant()
    const issued = await office.call(key, 'POST', '/v1/api-keys', { name: 'CRM', scopes: ['channels:read', 'keys:write'] })
    expect(issued.status).toBe(201)
    const small = issued.said('key')
    expect((await office.call(small, 'GET', '/v1/channels')).status).toBe(200)
    expect((await office.call(small, 'GET', '/v1/tenant')).json).toMatchObject({ status: 403, code: 'forbidden' })
    expect((await office.call(small, 'POST', '/v1/api-keys', { name: 'More', scopes: ['*'] })).json).toMatchObject({ code: 'scope_exceeded' })
    expect((await office.call(key, 'POST', '/v1/api-keys', { name: 'Odd', scopes: ['everything'] })).json).toMatchObject({ status: 422 })
  })

  it('revoke themselves and what holds no more than they do, and nothing above them', async () => {
    const { key, slug } = await office.tenant()
    const issue = async (...granted: string[]) => office.call(key, 'POST', '/v1/api-keys', { scopes: granted })
    const [whole, sibling, small] = [await issue('*'), await issue('keys:write'), await issue('keys:write', 'channels:read')]
    const revoke = async (by: string, { said }: typeof whole) => office.call(by, 'DELETE', `/v1/api-keys/${said('id')}`)
    expect((await revoke(small.said('key'), whole)).json).toMatchObject({ status: 403, code: 'scope_exceeded' })
    expect((await revoke(sibling.said('key'), small)).json).toMatchObject({ status: 403, code: 'scope_exceeded' })
    expect((await office.call(whole.said('key'), 'GET', '/v1/me')).status).toBe(200)
    expect((await revoke(small.said('key'), sibling)).status).toBe(204)
    expect((await revoke(small.said('key'), small)).status).toBe(204)
    expect((await office.call(small.said('key'), 'GET', '/v1/me')).status).toBe(401)
    expect((await office.call(operatorKey, 'DELETE', `/v1/api-keys/${whole.said('id')}`, undefined, { 'x-tenant': slug })).status).toBe(204)
  })

  it('need no name, and may hold the scopes of every resource of the contract', async () => {
    const { key } = await office.tenant()
    const issued = await office.call(key, 'POST', '/v1/api-keys', { scopes: ['audit:read', 'messages:write'] })
    expect(issued.json).toMatchObject({ name: 'API key', scopes: ['audit:read', 'messages:write'] })
    const all = Object.keys(scopes)
    expect((await office.call(key, 'POST', '/v1/api-keys', { scopes: all })).json).toMatchObject({ scopes: all.toSorted() })
  })

  it('are listed without their secrets, and refused once revoked', async () => {
    const { key } = await office.tenant()
    const issued = await office.call(key, 'POST', '/v1/api-keys', { name: 'CRM', scopes: ['*'] })
    const revoked = await office.call(key, 'DELETE', `/v1/api-keys/${issued.said('id')}`)
    expect(revoked.status).toBe(204)
    expect((await office.call(issued.said('key'), 'GET', '/v1/me')).json).toMatchObject({ status: 401, code: 'unauthorized' })
    const list = await office.call(key, 'GET', '/v1/api-keys', undefined, { 'x-read-after': revoked.headers.get('x-position') ?? '' })
    expect(list.list).toHaveLength(2)
    expect(list.list[1]).toMatchObject({ id: issued.said('id'), name: 'CRM', revoked_at: expect.any(String) as string })
    expect(list.text).not.toContain(issued.said('key'))
    expect(list.text).not.toContain('hash')
  })

  it.each(['suspend', 'close'])('that leaked can be revoked after a %s', async (turn) => {
    const { id, key, slug } = await office.tenant()
    const leaked = await office.call(key, 'POST', '/v1/api-keys', { scopes: ['*'] })
    const another = await office.call(key, 'POST', '/v1/api-keys', { scopes: ['*'] })
    await office.call(operatorKey, 'POST', `/v1/tenants/${id}/${turn}`)
    expect((await office.call(key, 'POST', '/v1/api-keys', { scopes: ['*'] })).said('code')).toBe('tenant_suspended')
    expect((await office.call(key, 'DELETE', `/v1/api-keys/${leaked.said('id')}`)).status).toBe(204)
    expect((await office.call(operatorKey, 'DELETE', `/v1/api-keys/${another.said('id')}`, undefined, { 'x-tenant': slug })).status).toBe(204)
    for (const gone of [leaked, another]) expect((await office.call(gone.said('key'), 'GET', '/v1/me')).status).toBe(401)
    expect((await office.call(key, 'GET', '/v1/api-keys')).status).toBe(200)
  })

  it('of one tenant are nothing to another', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const issued = await office.call(a.key, 'POST', '/v1/api-keys', { name: 'A', scopes: ['*'] })
    const after = { 'x-read-after': issued.headers.get('x-position') ?? '' }
    expect((await office.call(b.key, 'GET', `/v1/api-keys/${issued.said('id')}`, undefined, after)).status).toBe(404)
    expect((await office.call(b.key, 'DELETE', `/v1/api-keys/${issued.said('id')}`)).status).toBe(404)
    expect((await office.call(issued.said('key'), 'GET', '/v1/me')).status).toBe(200)
    expect((await office.call(b.key, 'GET', '/v1/api-keys', undefined, after)).list).toHaveLength(1)
  })

  it('revoked through another process are refused here as soon as the event is read', async () => {
    const { id, key } = await office.tenant()
    const other = office.process()
    await other.directory.ready()
    const me = await office.call(key, 'GET', '/v1/me')
    const revoked = await other.revokeApiKey({ keyId: me.said('actor', 'id') }, contextOf(id))
    if ('position' in revoked) await office.here.directory.waitFor(revoked.position)
    expect((await office.call(key, 'GET', '/v1/me')).status).toBe(401)
    await other.directory.close()
  })
})
