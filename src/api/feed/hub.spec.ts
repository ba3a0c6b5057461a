import { describe, expect, it } from 'vitest'
import { someStream } from '../../../tests/support/events.ts'
import { createMemoryEventStore } from '../../adapters/event-store/memory/event-store.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { start } from '../../domain/kernel/position.ts'
import { createHub, type RenderFeed } from './hub.ts'
import type { Listener, Published } from './listener.ts'

const told = (published: readonly Published[]): string[] =>
  published.flatMap((one) => one.framesFor({ wants: () => true, seesConversations: true, isOperator: false }).map(String))

function started(render: RenderFeed) {
  const stop = new AbortController()
  const store = createMemoryEventStore()
  const log = { warn: () => undefined }
  const hub = createHub({ store, render, shown: () => Promise.resolve(true), credentialsAt: () => Promise.resolve(), signal: stop.signal, log })
  return { hub, store, stop }
}

const listening = (tenantId: string) => {
  const offered: Published[] = []
  const listener: Partial<Listener> = { tenantId, offer: (published) => offered.push(published), recheck: () => undefined }
  return { listener: listener as Listener, offered }
}

const contactCreated = (tenantId: string) => {
  const stream = { ...someStream(tenantId), category: 'contact' as const }
  const meta = { actor: { kind: 'process', id: 'spec' }, correlationId: stream.id, causationId: stream.id, occurredAt: '2026-01-01T12:00:00.000Z' }
  return { stream, events: [{ id: crypto.randomUUID(), type: 'ContactCreated', schemaVersion: 1, data: {}, meta: meta as never }] }
}

describe('what cannot be rendered', () => {
  it('is a resync for the listeners of its tenant, and holds up nobody else', async () => {
    const [broken, whole] = [crypto.randomUUID(), crypto.randomUUID()]
    let tries = 0
    const render = async (tenantId: string, events: readonly RecordedEvent[]): Promise<readonly Published[]> => {
      if (tenantId === broken && ++tries > 0) throw new TypeError('a row that nobody expected')
      return events.map(({ position, type }) => ({ position, framesFor: () => [Buffer.from(type)] }))
    }
    const { hub, store, stop } = started(render)
    await hub.started
    const [unlucky, lucky] = [listening(broken), listening(whole)]
    hub.add(unlucky.listener, start)
    hub.add(lucky.listener, start)
    await Promise.all([store.append({ ...contactCreated(broken), expected: 0 }), store.append({ ...contactCreated(whole), expected: 0 })])
    await expect.poll(() => told(lucky.offered)).toEqual(['ContactCreated'])
    expect(unlucky.offered).toHaveLength(1)
    expect(told(unlucky.offered).map((frame) => JSON.parse(frame) as unknown)).toEqual([{ type: 'resync', position: unlucky.offered[0]?.position }])
    expect(tries).toBe(3)
    stop.abort()
    await hub.ended
  })

  it('is waited for when only the database is away', async () => {
    let tries = 0
    const { hub, stop } = started(async () => {
      if (++tries < 5) throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
      return []
    })
    await hub.started
    expect(await hub.render('ana', [], start)).toEqual([])
    expect(tries).toBe(5)
    stop.abort()
    await hub.ended
  })
})
