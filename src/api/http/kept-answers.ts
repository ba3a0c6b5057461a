import { hash, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool } from 'pg'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { SealContext, Vault } from '../../domain/kernel/vault.ts'
import { inTenant } from '../../postgres/transaction.ts'
import type { IdempotencyStore, IdempotentRequest, KeptAnswer } from './idempotency.ts'

type Row = {
  readonly mine: boolean
  readonly fingerprint: string
  readonly status: number | null
  readonly headers: Readonly<Record<string, string>> | null
  readonly body: string | null
}

const subject = 'idempotency'

/** Longer than any request takes: the provider's time-outs are the slowest part of one. */
const claimSeconds = 60

/**
 * One statement: takes a free key, or one whose claim lapsed with the same request, and says what is there otherwise.
 * The second branch reads the state of before the statement; when another request inserted in between, both branches are empty and the caller asks again.
 */
const claimText = `
  with taken as (
    insert into api.idempotency as i (tenant_id, key, fingerprint, claim, claimed_until)
    values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => ${claimSeconds}))
    on conflict (tenant_id, key) do update set claim = excluded.claim, claimed_until = excluded.claimed_until
      where i.status is null and i.claimed_until < clock_timestamp() and i.fingerprint = excluded.fingerprint
    returning true as mine, fingerprint, status, headers, body
  )
  select * from taken
  union all
  select false, fingerprint, status, headers, body from api.idempotency
  where tenant_id = $1 and key = $2 and not exists (select from taken)`

const keepText = `update api.idempotency set status = $4, headers = $5, body = $6 where tenant_id = $1 and key = $2 and claim = $3 and status is null`
const releaseText = `delete from api.idempotency where tenant_id = $1 and key = $2 and claim = $3 and status is null`

/**
 * Answers by Idempotency-Key in PostgreSQL, behind the tenant's wall (`pool` is recado_api's).
 * Invariant: only the holder of the present claim writes the answer; a claim that lapsed and was taken over loses the right to.
 */
export function createKeptAnswers({ pool, vault, waitMs = 5_000 }: { pool: Pool; vault: Vault; waitMs?: number }): IdempotencyStore {
  const claims = new WeakMap<IdempotentRequest, string>()
  const keyOf = ({ tenantId, key }: IdempotentRequest): string => hash('sha256', `${tenantId}\n${key}`, 'hex')
  const binding = (request: IdempotentRequest): SealContext => {
    const key = keyOf(request)
    return { tenantId: request.tenantId, subject, eventId: derivedId('kept answer', key), field: 'body' }
  }

  async function answered(request: IdempotentRequest, { status, headers, body }: Row): Promise<KeptAnswer> {
    const opened = body === null ? undefined : await vault.open(binding(request), body)
    return { status: status ?? 500, headers: headers ?? {}, body: opened !== undefined && 'text' in opened ? opened.text : undefined }
  }

  return {
    async claim(request) {
      const { tenantId, fingerprint } = request
      const claim = randomUUID()
      const deadline = performance.now() + waitMs
      for (let wait = 20; ; wait = Math.min(wait * 2, 250)) {
        const [row] = await inTenant<Row>(pool, tenantId, { name: 'claim_idempotency_key', text: claimText }, [
          tenantId,
          keyOf(request),
          fingerprint,
          claim,
        ])
        if (row?.mine === true) {
          claims.set(request, claim)
          return 'mine'
        }
        if (row !== undefined && row.fingerprint !== fingerprint) return 'conflict'
        if (row !== undefined && row.status !== null) return { answered: await answered(request, row) }
        if (performance.now() > deadline) return 'running'
        await pause(wait)
      }
    },
    async keep(request, { status, headers, body }) {
      await vault.ensure(request.tenantId, [subject])
      const sealed = body === undefined ? null : vault.seal(binding(request), body)
      const values = [request.tenantId, keyOf(request), claims.get(request), status, JSON.stringify(headers), sealed]
      await inTenant(pool, request.tenantId, { name: 'keep_idempotent_answer', text: keepText }, values)
    },
    async release(request) {
      await inTenant(pool, request.tenantId, releaseText, [request.tenantId, keyOf(request), claims.get(request)])
    },
  }
}

/** Forgets answers older than a day or two; `pool` is recado_worker's. Returns how many. */
export async function purgeKeptAnswers(pool: Pool, olderThanHours = 48): Promise<number> {
  const { rowCount } = await pool.query('delete from api.idempotency where created_at < clock_timestamp() - make_interval(hours => $1)', [
    olderThanHours,
  ])
  return rowCount ?? 0
}
