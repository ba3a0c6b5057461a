import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { runRecado, startRecado, type RunningRecado } from '../support/processes.ts'

const key = 'operator-key-of-the-rebuild-test-0123456789'

describe('rebuilding read models of the started program', () => {
  let home: TestDatabase
  let program: RunningRecado
  const env = (): Record<string, string> => ({
    DATABASE_URL: home.url,
    RECADO_OPERATOR_KEY: key,
    RECADO_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    RECADO_DEMO: '1',
    LOG_LEVEL: 'warn',
  })
  beforeAll(async () => {
    home = await freshDatabase()
    program = await startRecado({ env: env() })
  })
  afterAll(async () => {
    await program.kill()
    await home.drop()
  })

  const call = async (path: string, init: RequestInit = {}, as = key): Promise<{ status: number; body: Record<string, unknown> }> => {
    const answer = await fetch(`${program.url}${path}`, { ...init, headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' } })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }

  async function live(id: unknown): Promise<Record<string, unknown>> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
      const { body } = await call(`/v1/rebuilds/${id}`)
      if (['live', 'failed', 'aborted'].includes(String(body['state']))) return body
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('the rebuild is not over')
  }

  it('is asked for over the API, for everybody or for one organisation', async () => {
    const asked = await call('/v1/projections/conversations/rebuild', { method: 'POST', body: JSON.stringify({ with: ['messages'] }) })
    expect(asked.status).toBe(202)
    expect(await live(asked.body['rebuild_id'])).toMatchObject({
      state: 'live',
      projections: ['conversations', 'messages'],
      error: null,
      tenant_id: null,
    })
    const tenants = await fetch(`${program.url}/v1/tenants`, { headers: { authorization: `Bearer ${key}` } })
    const { data } = (await tenants.json()) as { data: { id: string }[] }
    const tenantId = data[0]?.id
    const own = await call('/v1/projections/channels/rebuild', { method: 'POST', body: JSON.stringify({ tenant_id: tenantId }) })
    expect(own.status).toBe(202)
    expect(await live(own.body['rebuild_id'])).toMatchObject({ state: 'live', tenant_id: tenantId })
    expect((await call('/v1/projections/nonsense/rebuild', { method: 'POST' })).status).toBe(404)
  })

  it('is asked for and followed from the command line', async () => {
    const { code, lines } = await runRecado(['projections', 'rebuild', 'messages', 'channels', '--follow'], env())
    expect(lines.join('\n')).toMatch(/rebuild of messages, channels {2}live/)
    expect(code).toBe(0)
    const back = await runRecado(['projections', 'rollback', 'messages', '--follow'], env())
    expect(back.lines.join('\n')).toMatch(/rollback of messages {2}live/)
    // Its writer begins again on the tables that were switched: until then it is shown as stopped.
    await expect.poll(async () => (await runRecado(['projections', 'list'], env())).lines.join('\n')).toMatch(/messages +version \d+ +live/)
    expect((await runRecado(['projections', 'rebuild', 'nonsense'], env())).code).toBe(1)
  })
})
