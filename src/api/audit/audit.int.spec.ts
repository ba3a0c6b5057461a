import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDesk, type Desk } from '../../../tests/support/desk.ts'
import type { Position } from '../../domain/kernel/position.ts'
import { StoreUnavailable } from '../../domain/kernel/event-store.ts'
import { createAuditTrail } from '../../commands/audit/trail.ts'
import type { EntryBody } from './render.ts'

type Node = { event: { id: string }; children: Node[] }

describe('the audit trail', () => {
  let desk: Desk
  beforeAll(async () => {
    desk = await startDesk()
  })
  afterAll(() => desk.stop())

  const settled = async (): Promise<void> => {
    const { position } = await desk.store.head()
    expect(await desk.applied.waitFor(['audit', 'contacts', 'conversations', 'channels'], position, 20_000)).toBe(true)
  }
  const list = async (key: string, query = ''): Promise<readonly EntryBody[]> => {
    await settled()
    const { status, json } = await desk.call(key, 'GET', `/v1/audit${query}`)
    expect(status).toBe(200)
    return json['data'] as readonly EntryBody[]
  }

  it('says who did what to whom, with names as they are today and the address of the request', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola', 'Carla')
    const { headers } = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/snooze`, { until: '2030-01-01T09:00:00Z' })
    const [snoozed] = await list(tenant.key, `?entity_type=conversation&entity_id=${conversationId}&limit=1`)
    expect(snoozed).toMatchObject({
      actor: { kind: 'api', id: 'test', name: 'The API key test' },
      action: 'conversation.snoozed',
      entity: { type: 'conversation', id: conversationId, label: 'Carla' },
      summary: 'The API key test snoozed the conversation with Carla until 2030-01-01T09:00:00.000Z',
      changes: { status: { after: 'snoozed' } },
      correlation_id: headers.get('x-request-id'),
      position: headers.get('x-position'),
      ip: '127.0.0.1',
    })
    desk.scopesOf.set(tenant.tenantId, ['audit:read'])
    const [unnamed] = await list(tenant.key, `?action=conversation.snoozed`)
    expect(unnamed?.summary).toContain('the conversation with the customer until')
    expect(JSON.stringify(unnamed)).not.toContain('Carla')
  })

  it('finds entries by actor, action, entity, correlation and time, in pages, newest first', async () => {
    const tenant = await desk.tenant()
    const first = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const second = await desk.customerWrites(tenant, '34600111333', 'Buenas')
    await desk.call(tenant.key, 'POST', `/v1/conversations/${first.conversationId}/read`)
    const before = new Date()
    const request = { 'x-request-id': `req-${randomUUID()}` }
    await desk.call(tenant.key, 'POST', `/v1/conversations/${second.conversationId}/status`, { status: 'resolved' }, request)
    const ids = (entries: readonly EntryBody[]): string[] => entries.map(({ action }) => action)

    expect(ids(await list(tenant.key, '?actor=api:test'))).toEqual(['conversation.resolved', 'conversation.read'])
    expect(ids(await list(tenant.key, '?action=conversation.read'))).toEqual(['conversation.read'])
    expect(ids(await list(tenant.key, '?action=conversation.read,message.received'))).toEqual([
      'conversation.read',
      'message.received',
      'message.received',
    ])
    expect(ids(await list(tenant.key, `?entity_id=${second.conversationId}`))).toEqual([
      'conversation.resolved',
      'message.received',
      'conversation.started',
    ])
    expect(ids(await list(tenant.key, '?entity_type=channel'))).toEqual(['channel.connected', 'channel.added'])
    expect(ids(await list(tenant.key, `?correlation_id=${request['x-request-id']}`))).toEqual(['conversation.resolved'])
    expect(ids(await list(tenant.key, `?from=${before.toISOString()}`))).toEqual(['conversation.resolved'])
    expect(await list(tenant.key, `?from=2999-01-01T00:00:00Z`)).toEqual([])
    expect(ids(await list(tenant.key, `?to=${before.toISOString()}&limit=1`))).toEqual(['conversation.read'])

    const all = await list(tenant.key, '?limit=200')
    const walked: EntryBody[] = []
    for (let cursor = ''; ;) {
      const { json } = await desk.call(tenant.key, 'GET', `/v1/audit?limit=2${cursor}`)
      walked.push(...(json['data'] as EntryBody[]))
      if (typeof json['next_cursor'] !== 'string') break
      cursor = `&cursor=${json['next_cursor']}`
    }
    expect(walked).toEqual(all)
    expect((await desk.call(tenant.key, 'GET', '/v1/audit?cursor=bm9uZQ')).status).toBe(422)
  })

  it('shows nothing of another organisation, nor to a key without the scope', async () => {
    const [mine, theirs] = [await desk.tenant(), await desk.tenant()]
    const { conversationId } = await desk.customerWrites(theirs, '34600111222', 'Hola')
    expect(await list(mine.key, `?entity_id=${conversationId}`)).toEqual([])
    const [entry] = await list(theirs.key, `?entity_id=${conversationId}&limit=1`)
    expect((await desk.call(mine.key, 'GET', `/v1/events/${entry?.id}/trace`)).status).toBe(404)
    expect((await desk.call(theirs.key, 'GET', `/v1/events/${entry?.id}/trace`)).status).toBe(200)
    desk.scopesOf.set(mine.tenantId, ['contacts:read'])
    expect((await desk.call(mine.key, 'GET', '/v1/audit')).status).toBe(403)
  })

  it('leaves the steps of our own work out, unless they are asked for by name', async () => {
    const tenant = await desk.tenant()
    const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola')
    const sent = await desk.call(tenant.key, 'POST', `/v1/conversations/${conversationId}/messages`, { text: 'Hello' })
    await desk.provider(tenant.tenantId, conversationId, { type: 'recordAttempt', messageId: String(sent.json['id']), attempt: 1 })
    expect((await list(tenant.key, `?entity_id=${conversationId}`)).map(({ action }) => action)).not.toContain('message.send_attempted')
    expect(await list(tenant.key, '?action=message.send_attempted')).toHaveLength(1)
  })

  it('traces what one command led to under the first of its events', async () => {
    const tenant = await desk.tenant()
    await desk.customerWrites(tenant, '34600111222', 'Hola')
    const [added] = await list(tenant.key, '?action=contact.identity_added')
    const { json } = await desk.call(tenant.key, 'GET', `/v1/events/${added?.id.toUpperCase()}/trace`)
    expect(json).toMatchObject({
      event: { type: 'ContactCreated', version: 1, actor: { kind: 'process', id: 'test' } },
      children: [{ relation: 'same_command', focus: true, event: { id: added?.id, type: 'ContactIdentityAdded' }, children: [] }],
    })
    expect(json).not.toHaveProperty('relation')
    expect(json).not.toHaveProperty('truncated')
    for (const id of [randomUUID(), 'no-event']) expect((await desk.call(tenant.key, 'GET', `/v1/events/${id}/trace`)).status).toBe(404)
  })

  describe('of what was read', () => {
    it('has an entry for the log with its personal fields opened, durable before the answer', async () => {
      const tenant = await desk.tenant()
      await desk.customerWrites(tenant, '34600111222', 'Hola', 'Carla')
      const { text } = await desk.call(tenant.key, 'GET', '/v1/events?reveal=true&type=MessageReceived,ContactCreated')
      expect(text).toContain('Carla')
      expect(JSON.parse(text)).toMatchObject({ data: [{ data: { name: 'Carla' } }, { data: { content: { text: { body: 'Hola' } } } }] })
      const head = await desk.store.head()
      expect(await list(tenant.key, '?action=access.recorded')).toMatchObject([
        {
          actor: { kind: 'api', id: 'test' },
          summary:
            'The API key test read the log with its sealed fields opened, reveal "true", type "MessageReceived,ContactCreated" by GET /v1/events',
          ip: '127.0.0.1',
          position: head.position,
        },
      ])
      const tokens = await desk.call(tenant.key, 'GET', '/v1/events?reveal=true&type=ChannelAdded')
      expect(tokens.json).toMatchObject({ data: [{ data: { access_token: null } }] })
    })

    it('needs a scope of its own to open the log, and notes no read that was refused', async () => {
      const tenant = await desk.tenant()
      await desk.customerWrites(tenant, '34600111222', 'Hola')
      desk.scopesOf.set(tenant.tenantId, ['events:read', 'audit:read'])
      expect((await desk.call(tenant.key, 'GET', '/v1/events?reveal=true')).status).toBe(403)
      const sealed = await desk.call(tenant.key, 'GET', '/v1/events?type=MessageReceived')
      expect(sealed.json).toMatchObject({ data: [{ data: { content: { sealed: expect.any(String) as string } } }] })
      expect(await list(tenant.key, '?action=access.recorded')).toEqual([])
    })

    it('is refused when it cannot be put on record', async () => {
      const refusing = createAuditTrail({
        store: { append: () => Promise.reject(new StoreUnavailable('connection', 'away')) },
        vault: desk.vault,
      })
      const context = desk.context(randomUUID())
      await expect(refusing.recordAccess({ what: 'delivery_read', request: 'GET /x' }, context)).rejects.toThrow(StoreUnavailable)
    })

    it('notes the visits of the operator once in a while and not with every look', async () => {
      const tenant = await desk.tenant()
      const trail = createAuditTrail({ store: desk.store, vault: desk.vault })
      const context = { ...desk.context(tenant.tenantId), actor: { kind: 'operator', id: 'operator' } as const }
      await Promise.all([1, 2, 3].map(async () => trail.recordVisit('GET /v1/conversations', { ...context, commandId: randomUUID() })))
      await trail.recordVisit('GET /v1/contacts', { ...context, commandId: randomUUID() })
      expect((await list(tenant.key, '?actor=operator')).map(({ summary }) => summary)).toEqual([
        'The platform operator looked into the organisation by GET /v1/contacts',
        'The platform operator looked into the organisation by GET /v1/conversations',
      ])
    })
  })

  describe('as a file', () => {
    it('has all that a filter finds, as JSON lines or as CSV, and an entry about itself', async () => {
      const tenant = await desk.tenant()
      const { conversationId } = await desk.customerWrites(tenant, '34600111222', 'Hola', '=HYPERLINK("http://x")')
      const entries = await list(tenant.key, `?entity_id=${conversationId}`)
      const ndjson = await desk.call(tenant.key, 'GET', `/v1/audit/export?entity_id=${conversationId}`)
      expect(ndjson.headers.get('content-type')).toContain('application/x-ndjson')
      expect(
        ndjson.text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
      ).toEqual(entries)
      const csv = await desk.call(tenant.key, 'GET', `/v1/audit/export?format=csv&entity_id=${conversationId}`)
      expect(csv.headers.get('content-type')).toContain('text/csv')
      expect(csv.text.split('\r\n')).toHaveLength(entries.length + 2)
      expect(csv.text).toContain(`"'=HYPERLINK(""http://x"")"`)
      expect((await list(tenant.key, '?action=access.recorded')).map(({ summary }) => summary)).toEqual([
        `The API key test exported the audit trail, format "csv", entity_id "${conversationId}" by GET /v1/audit/export`,
        `The API key test exported the audit trail, entity_id "${conversationId}" by GET /v1/audit/export`,
      ])
    })

    it('of fifty thousand entries is sent as it is read, and ends when the client leaves', async () => {
      const tenant = await desk.tenant()
      const many = 50_000
      const meta = {
        occurredAt: new Date().toISOString(),
        correlationId: 'bulk',
        causationId: 'bulk',
        actor: { kind: 'process', id: 'test' } as const,
      }
      let position = '' as Position
      let last: string | undefined
      for (let done = 0; done < many; done += 1_000) {
        const stream = { category: 'audit', tenantId: tenant.tenantId, id: `bulk-${done}` } as const
        const events = Array.from({ length: 1_000 }, () => ({
          id: randomUUID(),
          type: 'AccessRecorded',
          schemaVersion: 1,
          data: { what: 'operator_entered', request: 'GET /v1/bulk' },
          meta,
        }))
        const result = await desk.store.append({ stream, expected: 0, events })
        last = events.at(-1)?.id
        if (result.outcome === 'appended') position = result.position
      }
      expect(await desk.applied.waitFor(['audit'], position, 60_000)).toBe(true)
      const response = await fetch(`${desk.url}/v1/audit/export?correlation_id=bulk`, { headers: { authorization: `Bearer ${tenant.key}` } })
      let lines = 0
      let largest = 0
      for await (const chunk of response.body ?? []) {
        largest = Math.max(largest, (chunk as Uint8Array).length)
        for (const byte of chunk as Uint8Array) if (byte === 10) lines++
      }
      expect(lines).toBe(many)
      // No chunk is more than a page of rows: it was never one text.
      expect(largest).toBeLessThan(1_000_000)

      // Nor is a trace: it is cut, and the event that was asked for is in what is left.
      const { json } = await desk.call(tenant.key, 'GET', `/v1/events/${last}/trace`)
      const flat = ({ event, children }: Node): string[] => [event.id, ...children.flatMap(flat)]
      expect(json['truncated']).toBe(true)
      expect(flat(json as Node)).toHaveLength(500)
      expect(flat(json as Node)).toContain(last)

      const leaving = new AbortController()
      const left = await fetch(`${desk.url}/v1/audit/export?correlation_id=bulk`, {
        headers: { authorization: `Bearer ${tenant.key}` },
        signal: leaving.signal,
      })
      for await (const _ of left.body ?? []) break
      leaving.abort()
      // The connections of the pool come back: nothing goes on reading for nobody.
      await expect.poll(() => desk.pools.api.totalCount - desk.pools.api.idleCount).toBe(0)
    }, 180_000)
  })
})
