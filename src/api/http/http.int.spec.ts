import { createHash, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operatorKey, startOffice, type Office } from '../../../tests/support/office.ts'
import { purgeKeptAnswers } from './kept-answers.ts'

let office: Office
beforeAll(async () => {
  office = await startOffice({ rateLimits: { requestsPerSecond: 500, failuresPerMinute: 1_000 } })
})
afterAll(() => office.stop())

const cursor = (...place: string[]) => `?cursor=${Buffer.from(JSON.stringify(place)).toString('base64url')}`
const rename = (key: string, name: string, idempotencyKey?: string) =>
  office.call(key, 'PATCH', '/v1/tenant', { name }, idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey })

describe('an Idempotency-Key', () => {
  it('gets the same answer again, headers and body, without doing it twice', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const wish = { name: 'Once', slug: `once-${randomUUID().slice(0, 8)}` }
    const first = await office.call(operatorKey, 'POST', '/v1/tenants', wish, headers)
    const again = await office.call(operatorKey, 'POST', '/v1/tenants', wish, headers)
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotent-replay')).toBeNull()
    expect(again.headers.get('idempotent-replay')).toBe('true')
    expect(again.text).toBe(first.text)
    for (const name of ['x-position', 'etag', 'location', 'content-type']) expect(again.headers.get(name)).toBe(first.headers.get(name))
    expect((await office.call(again.said('api_key', 'key'), 'GET', '/v1/me')).status).toBe(200)
  })

  it('keeps what is shown once sealed', async () => {
    const { rows } = await office.pools.worker.query<{ body: string }>('select body, headers::text as headers from api.idempotency')
    expect(rows.length).toBeGreaterThan(0)
    for (const { body } of rows) expect(Buffer.from(body, 'base64').toString('latin1') + body).not.toContain('rk_')
  })

  it('with another body or address is a conflict', async () => {
    const { key } = await office.tenant()
    const id = randomUUID()
    expect((await rename(key, 'A', id)).status).toBe(200)
    expect((await rename(key, 'B', id)).json).toMatchObject({ status: 409, code: 'idempotency_conflict' })
    const elsewhere = await office.call(key, 'POST', '/v1/api-keys', { name: 'A', scopes: ['*'] }, { 'idempotency-key': id })
    expect(elsewhere.said('code')).toBe('idempotency_conflict')
  })

  it('of one API key is a conflict for another one of the tenant, which gets no answer that was not for it', async () => {
    const { key } = await office.tenant()
    const small = (await office.call(key, 'POST', '/v1/api-keys', { scopes: ['keys:write'] })).said('key')
    const wish = { name: 'Secret', scopes: ['keys:write'] }
    const headers = { 'idempotency-key': randomUUID() }
    const made = await office.call(key, 'POST', '/v1/api-keys', wish, headers)
    const other = await office.call(small, 'POST', '/v1/api-keys', wish, headers)
    expect(other.json).toMatchObject({ status: 409, code: 'idempotency_conflict' })
    expect(other.text).not.toContain(made.said('key'))
  })

  it('of one tenant says nothing to another', async () => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const id = randomUUID()
    await rename(a.key, 'Same', id)
    const other = await rename(b.key, 'Same', id)
    expect(other.headers.get('idempotent-replay')).toBeNull()
    expect(other.said('id')).toBe(b.id)
  })

  it('used by many at once does it once, and everybody gets that answer', async () => {
    const { key } = await office.tenant()
    const headers = { 'idempotency-key': randomUUID() }
    const all = await Promise.all(
      Array.from({ length: 12 }, () => office.call(key, 'POST', '/v1/api-keys', { name: 'One', scopes: ['tenant:read'] }, headers)),
    )
    expect(new Set(all.map(({ text }) => text)).size).toBe(1)
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 201))
    expect(all.filter(({ headers }) => headers.get('idempotent-replay') === null)).toHaveLength(1)
  })

  it('whose request is still running is answered with a later', async () => {
    const { id, key } = await office.tenant()
    const idempotencyKey = randomUUID()
    const body = JSON.stringify({ name: 'Slow' })
    const bodyHash = createHash('sha256').update(body).digest('hex')
    const keyId = (await office.call(key, 'GET', '/v1/me')).said('actor', 'id')
    const fingerprint = createHash('sha256').update(`api:${keyId}\nPATCH /v1/tenant\n${bodyHash}`).digest('hex')
    const running = { tenantId: id, key: idempotencyKey, fingerprint }
    expect(await office.idempotency.claim(running)).toBe('mine')
    const waiting = await office.call(key, 'PATCH', '/v1/tenant', body, { 'idempotency-key': idempotencyKey })
    expect(waiting.json).toMatchObject({ status: 409, code: 'idempotency_in_progress', retryable: true, retry_after: 1 })
    expect(waiting.headers.get('retry-after')).toBe('1')

    // The process that ran it dies: its claim lapses, the next one does it.
    await office.pools.owner.query(`update api.idempotency set claimed_until = clock_timestamp() - interval '1 second' where tenant_id = $1`, [id])
    const done = await office.call(key, 'PATCH', '/v1/tenant', body, { 'idempotency-key': idempotencyKey })
    expect(done.json).toMatchObject({ name: 'Slow' })
    // The one thought dead comes back: its answer is not taken.
    await office.idempotency.keep(running, { status: 500, headers: {}, body: 'late' })
    expect((await office.call(key, 'PATCH', '/v1/tenant', body, { 'idempotency-key': idempotencyKey })).text).toBe(done.text)
  })

  it('makes the same events when its request is done again after a crash before the answer was kept', async () => {
    const { id, key } = await office.tenant()
    const headers = { 'idempotency-key': randomUUID() }
    const first = await office.call(key, 'POST', '/v1/api-keys', { name: 'Crash', scopes: ['*'] }, headers)
    await office.pools.owner.query('delete from api.idempotency where tenant_id = $1', [id])
    const again = await office.call(key, 'POST', '/v1/api-keys', { name: 'Crash', scopes: ['*'] }, headers)
    expect(again.headers.get('idempotent-replay')).toBeNull()
    expect(again.json).toEqual(first.json)
    const { rows } = await office.pools.worker.query(`select from es.events where tenant_id = $1 and type = 'ApiKeyIssued'`, [id])
    expect(rows).toHaveLength(2)
  })

  it('keeps a refusal as the answer, but not what may pass', async () => {
    const { key } = await office.tenant()
    const body = { kind: 'business', name: 'S', phone_number_id: '1234567', waba_id: '1', access_token: 'EAAG-good-token' }
    const headers = { 'idempotency-key': randomUUID() }
    office.provider.state.away = true
    expect((await office.call(key, 'POST', '/v1/channels', body, headers)).status).toBe(503)
    office.provider.state.away = false
    expect((await office.call(key, 'POST', '/v1/channels', body, headers)).status).toBe(201)
    const taken = { 'idempotency-key': randomUUID() }
    const refused = await office.call(key, 'POST', '/v1/channels', body, taken)
    const again = await office.call(key, 'POST', '/v1/channels', body, taken)
    expect(refused.said('code')).toBe('number_taken')
    expect(again.text).toBe(refused.text)
    expect(again.headers.get('content-type')).toContain('application/problem+json')
    expect(again.headers.get('idempotent-replay')).toBe('true')
  })

  it('is refused when it is odd, and forgotten after two days', async () => {
    const { key, id } = await office.tenant()
    expect((await rename(key, 'x', 'a'.repeat(256))).json).toMatchObject({ status: 422, errors: [{ path: 'header.Idempotency-Key' }] })
    await rename(key, 'Old', 'old-key')
    await office.pools.owner.query(`update api.idempotency set created_at = created_at - interval '49 hours' where tenant_id = $1`, [id])
    expect(await purgeKeptAnswers(office.pools.worker)).toBe(1)
    expect((await rename(key, 'Old', 'old-key')).headers.get('idempotent-replay')).toBeNull()
  })

  it('can not be read without the tenant', async () => {
    expect((await office.pools.api.query('select from api.idempotency')).rowCount).toBe(0)
  })
})

describe('a request', () => {
  it.each([
    ['no credential', undefined],
    ['a made-up one', 'nonsense'],
    ['a key nobody has', `rk_${randomUUID()}_${'A'.repeat(43)}`],
  ])('with %s is not let in', async (_, key) => {
    const reply = await office.call(key, 'GET', '/v1/tenant')
    expect(reply.json).toMatchObject({ status: 401, code: 'unauthorized', type: expect.stringContaining('unauthorized') as string })
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
    expect(reply.headers.get('www-authenticate')).toContain('Bearer')
  })

  it('carries its id through, unless that could harm a log', async () => {
    const kept = await office.call(undefined, 'GET', '/healthz', undefined, { 'x-request-id': 'order-12345678' })
    expect(kept.headers.get('x-request-id')).toBe('order-12345678')
    const short = await office.call(undefined, 'GET', '/healthz', undefined, { 'x-request-id': '7' })
    expect(short.headers.get('x-request-id')).toBe('7')
    const made = await office.call(undefined, 'GET', '/nowhere', undefined, { 'x-request-id': 'a "quoted" one' })
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(made.said('request_id')).toBe(made.headers.get('x-request-id'))
  })

  it('to nowhere is 404, with another method 405', async () => {
    expect((await office.call(undefined, 'GET', '/v1/nowhere')).json).toMatchObject({ status: 404, code: 'not_found' })
    const wrong = await office.call(undefined, 'DELETE', '/v1/tenant')
    expect(wrong.json).toMatchObject({ status: 405, code: 'method_not_allowed' })
    expect(wrong.headers.get('allow')).toBe('GET, PATCH')
  })

  it.each<[string, string | Uint8Array, Record<string, string>, number, string]>([
    ['no JSON', '{"name":', {}, 400, 'malformed_json'],
    ['JSON that is no object', '"text"', {}, 400, 'malformed_json'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {}, 400, 'malformed_json'],
    ['a hundred thousand brackets', `{"settings":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, {}, 400, 'malformed_json'],
    ['two megabytes', JSON.stringify({ name: 'x'.repeat(2_000_000) }), {}, 413, 'payload_too_large'],
    ['a form', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported_media_type'],
    ['another charset', '{}', { 'content-type': 'application/json; charset=utf-16le' }, 415, 'unsupported_media_type'],
    ['nothing', '', {}, 422, 'invalid_request'],
    ['a prototype', '{"__proto__":{"admin":true},"name":"x"}', {}, 422, 'invalid_request'],
    ['fine but based on no ETag', '{"name":"x"}', { 'if-match': 'yesterday' }, 412, 'precondition_failed'],
    ['fine but based on an ETag of somebody else', '{"name":"x"}', { 'if-match': '"abc"' }, 412, 'precondition_failed'],
    ['fine but based on a list that it is not in', '{"name":"x"}', { 'if-match': '"7", "8"' }, 412, 'precondition_failed'],
    ['fine but based on a version beyond all', '{"name":"x"}', { 'if-match': '"99999999999"' }, 412, 'precondition_failed'],
  ])('whose body is %s gets %s', async (_, body, headers, status, code) => {
    const { key } = await office.tenant()
    expect((await office.call(key, 'PATCH', '/v1/tenant', body, headers)).json).toMatchObject({ status, code })
    expect((await office.call(key, 'GET', '/v1/me')).status).toBe(200)
  })

  it('may be based on any of several ETags, or on whichever there is', async () => {
    const { key } = await office.tenant()
    for (const [etags, status] of [
      ['"7", W/"2" ,"abc"', 200],
      ['"1"', 412],
      ['"7","3"', 200],
      ['"4,3"', 412],
      ['*', 200],
      ['', 412],
    ] as const) {
      const reply = await office.call(key, 'PATCH', '/v1/tenant', { name: `After ${etags} ${String(status)}` }, { 'if-match': etags })
      expect([etags, reply.status]).toEqual([etags, status])
    }
  })

  it.each([
    '?limit=0',
    '?limit=-1',
    '?limit=many',
    '?kind=pigeon',
    '?cursor=bm90LWEtY3Vyc29y',
    '?cursor=%00',
    cursor('2026-01-01T00:00:00.000Z', 'a\u0000b'),
    cursor('-004800-01-01T00:00:00.000Z', 'a'),
    cursor('+200000-01-01T00:00:00.000Z', 'a'),
  ])('for the list %s is refused', async (query) => {
    const { key } = await office.tenant()
    const { status } = await office.call(key, 'GET', `/v1/channels${query}`)
    expect([400, 422]).toContain(status)
  })

  it('for a list may ask for more rows than there are to a page', async () => {
    const { key } = await office.tenant()
    for (const query of ['?limit=201', '?limit=999999999', '?kind=business&status=connected']) {
      expect((await office.call(key, 'GET', `/v1/channels${query}`)).json).toEqual({ data: [], next_cursor: null })
    }
    expect((await office.call(key, 'GET', '/v1/api-keys?limit=500')).list).toHaveLength(1)
  })

  it('with a parameter that nobody knows is refused by name: a mistyped filter would be answered with everything', async () => {
    const { key } = await office.tenant()
    const refused = await office.call(key, 'GET', '/v1/channels?statsu=connected&limit=0&limit=1&Kind=business')
    expect(refused.json).toMatchObject({
      status: 400,
      code: 'unknown_parameter',
      detail: 'This address does not know "statsu" and "Kind". It knows `limit`, `cursor`, `kind`, `status` and `as_of`.',
      errors: [
        { path: 'query.statsu', code: 'unrecognized_key' },
        { path: 'query.Kind', code: 'unrecognized_key' },
      ],
    })
    expect((await office.call(key, 'GET', '/v1/tenant?verbose=1')).json).toMatchObject({
      status: 400,
      detail: 'This address does not know "verbose". It knows no parameters.',
    })
    // Nothing is done before the address is understood.
    expect((await office.call(key, 'PATCH', '/v1/tenant?dry_run=true', { name: 'Changed' })).status).toBe(400)
    expect((await office.call(key, 'GET', '/v1/tenant')).said('name')).not.toBe('Changed')
    expect((await office.call(undefined, 'GET', '/v1/channels?statsu=connected')).status).toBe(401)
  })
  it('of a probe or a browser may carry what it wants', async () => {
    expect((await office.call(undefined, 'GET', '/healthz?from=balancer')).status).toBe(200)
  })

  it.each(['"1"', '"abc"'])('under If-Match %s to what does not exist or is another tenant’s is 404', async (etag) => {
    const [a, b] = await Promise.all([office.tenant(), office.tenant()])
    const body = { kind: 'business', name: 'S', phone_number_id: randomUUID(), waba_id: '1', access_token: 'EAAG-good-token' }
    const channel = (await office.call(b.key, 'POST', '/v1/channels', body)).said('id')
    for (const id of [channel, randomUUID()]) {
      expect((await office.call(a.key, 'PATCH', `/v1/channels/${id}`, { name: 'x' }, { 'if-match': etag })).status).toBe(404)
    }
    expect((await office.call(operatorKey, 'PATCH', `/v1/tenants/${randomUUID()}`, { name: 'x' }, { 'if-match': etag })).status).toBe(404)
  })

  it('to /v1 is answered with what no cache may keep, whatever the answer', async () => {
    const { key } = await office.tenant()
    const answers = [
      await office.call(key, 'GET', '/v1/tenant'),
      await office.call(key, 'GET', '/V1/tenant'),
      await office.call(undefined, 'GET', '/v1/tenant'),
      await office.call(key, 'GET', '/v1/nowhere'),
    ]
    expect(answers.map(({ status, headers }) => [status, headers.get('cache-control')])).toEqual([200, 200, 401, 404].map((s) => [s, 'no-store']))
  })

  it('with an address that is no text is 400', async () => {
    expect((await office.call(operatorKey, 'GET', '/v1/tenants/%E0%A4%A')).json).toMatchObject({ status: 400, code: 'bad_request' })
  })

  it('leaves neither token, body nor query in the log, and its route and tenant there', async () => {
    const { key, id } = await office.tenant()
    await office.call(key, 'PATCH', '/v1/tenant', { name: 'Confidential Ltd' })
    await office.call(key, 'GET', '/v1/channels?cursor=confidential-cursor')
    await office.call(undefined, 'GET', '/confidential-path')
    const log = office.logLines.join('')
    expect(log).toContain('"route":"/v1/tenant"')
    expect(log).toContain(`"tenant_id":"${id}"`)
    for (const word of [key, 'onfidential', operatorKey]) expect(log).not.toContain(word)
  })

  it('that waits for a position not yet there is told that the answer is stale', async () => {
    const { key } = await office.tenant()
    const stale = await office.call(key, 'GET', '/v1/tenant', undefined, { 'x-read-after': '99999999999' })
    expect(stale.status).toBe(200)
    expect(stale.headers.get('x-stale')).toBe('true')
    const odd = await office.call(key, 'GET', '/v1/tenant', undefined, { 'x-read-after': 'soon' })
    expect(odd.json).toMatchObject({ status: 422, errors: [{ path: 'header.X-Read-After' }] })
  })

  it('cut off in its body leaves the server well', async () => {
    const { key } = await office.tenant()
    await new Promise<void>((resolve) => {
      const cut = request(`${office.origin}/v1/tenant`, {
        method: 'PATCH',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-length': 1000 },
      })
      cut.on('error', () => undefined).on('close', resolve)
      cut.write('{"name":')
      setTimeout(() => cut.destroy(), 50)
    })
    expect((await office.call(key, 'GET', '/v1/me')).status).toBe(200)
  })
})

describe('the description of the API', () => {
  it('is OpenAPI 3.1 of everything that is mounted', async () => {
    const { json, status } = await office.call(undefined, 'GET', '/openapi.json')
    expect(status).toBe(200)
    const document = json as {
      openapi: string
      paths: Record<string, Record<string, { responses: object; parameters?: { name: string; in: string; schema: object }[] }>>
    }
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/tenants', '/v1/tenant', '/v1/channels/{id}/test', '/api/whatsapp/config', '/healthz']),
    )
    const post = document.paths['/v1/channels']?.['post']
    expect(Object.keys(post?.responses ?? {})).toEqual(expect.arrayContaining(['201', '401', '403', '409', '413', '415', '422', '429', '500', '503']))
    expect(post?.parameters?.map(({ name }) => name)).toContain('Idempotency-Key')
    const limit = document.paths['/v1/channels']?.['get']?.parameters?.find(({ name }) => name === 'limit')
    expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, default: 50 })
  })

  it('has a page that needs nothing from elsewhere and obeys its own policy', async () => {
    const page = await office.call(undefined, 'GET', '/docs/')
    expect(page.status).toBe(200)
    expect(page.text).not.toMatch(/(?:src|href)="https?:/)
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(page.text).not.toMatch(/<script>/)
    const init = await office.call(undefined, 'GET', '/docs/swagger-ui-init.js')
    expect(init.text).toContain('/openapi.json')
    expect((await office.call(undefined, 'GET', '/docs/swagger-ui-bundle.js')).status).toBe(200)
  })
})
