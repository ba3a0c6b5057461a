import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createAttachmentSeal } from '../../src/adapters/keyring/attachment-seal.ts'
import { eventStoreDbServer, type EventStoreDbServer } from '../support/eventstoredb-server.ts'
import { glassVault } from '../support/glass-vault.ts'

const writer = fileURLToPath(new URL('../support/delivery-writer.ts', import.meta.url))

describe('deliveries on EventStoreDB, when those who take them die', () => {
  let server: EventStoreDbServer
  beforeAll(async () => {
    server = await eventStoreDbServer()
  })
  afterAll(() => server.stop())

  it('are in the log once, with their body, when processes that share them are killed in mid append, again and again', async () => {
    const store = createEventStoreDbEventStore({ url: server.url, attachments: createAttachmentSeal(glassVault) })
    const { position: from } = await store.head()
    const tenantId = randomUUID()
    // Two processes get the same ones for a while; then others come, so that there is always something new in flight.
    const ids = Array.from({ length: 12 }, () => Array.from({ length: 400 }, () => randomUUID()))
    const acknowledged = new Set<string>()
    let kills = 0
    const enough = (): boolean => kills >= 16 && acknowledged.size > 1_500
    const lives = Array.from({ length: 2 }, async () => {
      while (!enough()) {
        const task = { url: server.url, tenantId, ids: ids[Math.floor(kills / 2) % ids.length], callers: 64 }
        const child = spawn(process.execPath, [writer, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
        const gone = once(child, 'exit')
        const lines = createInterface({ input: child.stdout })
        const first = once(lines, 'line')
        const ended = once(lines, 'close')
        lines.on('line', (line) => acknowledged.add(line))
        await Promise.race([first, gone])
        await sleep(Math.random() * 600)
        child.kill('SIGKILL')
        kills++
        await gone
        await ended
      }
    })
    await Promise.all(lives)

    const stored = new Map<string, number>()
    const { position: through } = await store.head()
    for (let after = from; after < through;) {
      const page = await store.readAll({ after, limit: 1_000, filter: { tenantId }, attachments: true })
      for (const { stream, version, attachment } of page.events) {
        stored.set(stream.id, (stored.get(stream.id) ?? 0) + 1)
        expect(version).toBe(1)
        expect(Buffer.from(attachment ?? []).toString()).toBe(`the body of ${stream.id}`)
      }
      after = page.through
    }
    expect([...acknowledged].filter((id) => !stored.has(id))).toEqual([])
    expect([...stored].filter(([, times]) => times !== 1)).toEqual([])
    await store.close()
  })
})
