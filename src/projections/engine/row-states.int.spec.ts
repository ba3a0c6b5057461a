import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { recordedLog } from '../../../tests/support/recorded.ts'
import type { DomainEvent } from '../../domain/catalogue.ts'
import { positionOf, type Position } from '../../domain/kernel/position.ts'
import { streamRef } from '../../domain/kernel/stream.ts'
import { createPool } from '../../postgres/pool.ts'
import { inOneFlight } from '../../postgres/transaction.ts'
import { contacts, type ContactRow } from '../contacts/projection.ts'
import { prepareReadModels } from './generations.ts'
import { schemaOf } from './naming.ts'
import { createRowStates } from './row-states.ts'
import { rowTable } from './rows.ts'

describe('the states of rows that a page of events touched', () => {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await freshDatabase()
    const owner = createPool({ url: database.url, role: 'owner', max: 2, name: 'owner' })
    await prepareReadModels(owner, [contacts])
    await owner.end()
    pool = createPool({ url: database.url, role: 'recado_worker', max: 4, name: 'states' })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  it('are the rows once the read model shows the page, each once, and nothing for a row that is gone', async () => {
    const tenantId = randomUUID()
    const at = new Date('2026-01-01T12:00:00Z')
    const named = { name: null, nameEventId: null, profileName: null, profileNameEventId: null, username: null, usernameEventId: null }
    const row: ContactRow = {
      ...named,
      id: 'here',
      listed: true,
      identities: '[{"kind":"phone"}]',
      consents: '{}',
      duplicates: '[]',
      source: 'inbound',
      createdAt: at,
      updatedAt: at,
      version: 3,
    }
    await inOneFlight(pool, rowTable(contacts, schemaOf(contacts)).write([{ tenantId, id: 'here', row }]))
    const unlisted: DomainEvent = { type: 'ContactUnlisted', at: at.toISOString() }
    const events = recordedLog(['here', 'gone', 'here'].map((id) => [streamRef('contact', tenantId, id), unlisted] as const))
    const asked: [string, Position][] = []
    const states = createRowStates({
      projection: contacts,
      pool,
      // Not yet at first: it is asked again.
      shown: (name, position) => Promise.resolve(asked.push([name, position]) > 1),
    })
    const found = await states(events, positionOf(9), new AbortController().signal)
    expect(asked).toEqual([
      ['contacts', positionOf(9)],
      ['contacts', positionOf(9)],
    ])
    expect(found.map(({ id }) => id)).toEqual(['gone', 'here'])
    expect(found[0]).toEqual({ tenantId, id: 'gone', state: undefined, shape: contacts.version, at: { position: positionOf(2), id: events[1]?.id } })
    expect(found[1]).toMatchObject({
      state: { id: 'here', listed: true, identities: [{ kind: 'phone' }], created_at: at, version: 3 },
      at: { position: positionOf(3), id: events[2]?.id },
    })
  })
})
