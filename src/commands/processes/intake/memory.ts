import { LRUCache } from 'lru-cache'
import type { Pool, PoolClient } from 'pg'
import { platformTenant } from '../../../domain/kernel/stream.ts'
import { binaryArray } from '../../../postgres/binary-array.ts'
import type { StatusReport } from './meta/items.ts'

/** An outgoing message as statuses name it. */
export type OutgoingMessage = { readonly tenantId: string; readonly messageId: string; readonly conversationId: string; readonly providerId?: string }
export type EarlyStatus = { readonly tenantId: string; readonly deliveryId: string; readonly report: StatusReport }
export type ParkedDelivery = { readonly tenantId: string; readonly deliveryId: string; readonly address: string }

/** What one page of the log changes in the intake's tables; written in one transaction behind the checkpoint. */
export type Remembered = {
  readonly outgoing: readonly OutgoingMessage[]
  readonly early: readonly EarlyStatus[]
  readonly earlyDone: readonly { tenantId: string; providerId: string }[]
  readonly parked: readonly ParkedDelivery[]
  /** Addresses of channels that were added: what is parked for them is to be worked off. */
  readonly opened: readonly string[]
  readonly unparked: readonly ParkedDelivery[]
}

/** A parked delivery and its place in the order of parking, behind which the next portion begins. */
export type ParkedPlace = ParkedDelivery & { readonly parkedAt: string }
/** An address whose parked deliveries are being worked off, since when. */
export type OpenedAddress = { readonly address: string; readonly openedAt: string }

export type IntakeMemory = ReturnType<typeof createIntakeMemory>

/** The intake's own tables (migration 0007), with the recent part of `work.outgoing` in memory: a status usually comes within seconds of its message. */
export function createIntakeMemory(pool: Pool) {
  const byMessage = new LRUCache<string, string>({ max: 30_000 })
  const byProvider = new LRUCache<string, { messageId: string; conversationId: string }>({ max: 30_000 })
  const key = (tenantId: string, id: string): string => `${tenantId} ${id}`

  function note({ tenantId, messageId, conversationId, providerId }: OutgoingMessage): void {
    byMessage.set(key(tenantId, messageId), conversationId)
    if (providerId !== undefined) byProvider.set(key(tenantId, providerId), { messageId, conversationId })
  }

  return {
    note,

    /** Loads what is asked for and not in memory: two index look-ups for a page, none when everything is recent. */
    async prepare(asked: readonly { tenantId: string; callbackId: string | undefined; providerId: string }[]): Promise<void> {
      const missing = asked.filter(({ tenantId, callbackId, providerId }) => {
        return !byProvider.has(key(tenantId, providerId)) && !(callbackId !== undefined && byMessage.has(key(tenantId, callbackId)))
      })
      if (missing.length === 0) return
      const tenants = binaryArray(
        'uuid',
        missing.map(({ tenantId }) => tenantId),
      )
      const found = await Promise.all([
        pool.query<OutgoingRow>({
          name: 'intake_by_message',
          text: outgoingBy('message_id'),
          values: [
            tenants,
            binaryArray(
              'text',
              missing.map(({ callbackId }) => callbackId),
            ),
          ],
        }),
        pool.query<OutgoingRow>({
          name: 'intake_by_provider',
          text: outgoingBy('provider_id'),
          values: [
            tenants,
            binaryArray(
              'text',
              missing.map(({ providerId }) => providerId),
            ),
          ],
        }),
      ])
      for (const { rows } of found) {
        for (const row of rows) {
          const { tenant_id: tenantId, message_id: messageId, conversation_id: conversationId, provider_id: providerId } = row
          note({ tenantId, messageId, conversationId, ...(providerId === null ? {} : { providerId }) })
        }
      }
    },

    /** Where a status belongs, of what is in memory after `prepare`. */
    find(tenantId: string, callbackId: string | undefined, providerId: string): { messageId: string; conversationId: string } | undefined {
      // Our own callback data first: the provider's id may for a moment belong to an echo of the same message.
      const conversationId = callbackId === undefined ? undefined : byMessage.get(key(tenantId, callbackId))
      if (callbackId !== undefined && conversationId !== undefined) return { messageId: callbackId, conversationId }
      return byProvider.get(key(tenantId, providerId))
    },

    async earlyStatusesOf(messages: readonly { tenantId: string; providerId: string }[]): Promise<readonly EarlyStatus[]> {
      if (messages.length === 0) return []
      const { rows } = await pool.query<{ tenant_id: string; delivery_id: string; report: StatusReport }>({
        name: 'intake_early',
        text: `select e.tenant_id, e.delivery_id, e.report from work.early_statuses e
               join unnest($1::uuid[], $2::text[]) as m (tenant_id, provider_id) using (tenant_id, provider_id)`,
        values: pairs(messages.map(({ tenantId, providerId }) => [tenantId, providerId])),
      })
      return rows.map((row) => ({ tenantId: row.tenant_id, deliveryId: row.delivery_id, report: row.report }))
    },

    async openedAddresses(): Promise<readonly OpenedAddress[]> {
      const { rows } = await pool.query<OpenedAddress>('select address, opened_at::text as "openedAt" from work.unparking order by opened_at')
      return rows
    },

    /** The next deliveries that wait for an address, in the order of their parking. Moments as text: a Date would lose the microseconds that order them. */
    async parkedAt(address: string, { after, limit }: { after: ParkedPlace | undefined; limit: number }): Promise<readonly ParkedPlace[]> {
      const { rows } = await pool.query<ParkedPlace>(
        `select tenant_id as "tenantId", delivery_id as "deliveryId", address, parked_at::text as "parkedAt" from work.parked_deliveries
         where address = $1 and (parked_at, tenant_id, delivery_id) > ($2::timestamptz, $3::uuid, $4::text)
         order by parked_at, tenant_id, delivery_id limit $5`,
        [address, after?.parkedAt ?? '-infinity', after?.tenantId ?? platformTenant, after?.deliveryId ?? '', limit],
      )
      return rows
    },

    /** Everything that was parked for it has been looked at, unless its number was connected once more meanwhile. */
    async finishUnparking({ address, openedAt }: OpenedAddress): Promise<void> {
      await pool.query('delete from work.unparking where address = $1 and opened_at = $2::timestamptz', [address, openedAt])
    },

    /** Statuses of messages that were sent by other means than Recado wait for an answer that never comes. */
    async purge(olderThanDays = 30): Promise<void> {
      await pool.query('delete from work.early_statuses where received_at < clock_timestamp() - make_interval(days => $1)', [olderThanDays])
    },

    /** Sent behind the checkpoint in the same flight. */
    async write(client: PoolClient, { outgoing, early, earlyDone, parked, opened, unparked }: Remembered): Promise<void> {
      const statements: Promise<unknown>[] = []
      const send = (name: string, text: string, values: unknown[]): unknown => statements.push(client.query({ name, text, values }))
      if (outgoing.length > 0) {
        send('intake_outgoing', upsertOutgoing, [
          ...pairs(outgoing.map(({ tenantId, messageId }) => [tenantId, messageId])),
          binaryArray(
            'text',
            outgoing.map(({ conversationId }) => conversationId),
          ),
          binaryArray(
            'text',
            outgoing.map(({ providerId }) => providerId),
          ),
        ])
      }
      if (early.length > 0) {
        send('intake_early_add', insertEarly, [
          ...pairs(early.map(({ tenantId, report }) => [tenantId, report.providerId])),
          binaryArray(
            'text',
            early.map(({ report }) => report.status),
          ),
          binaryArray(
            'json',
            early.map(({ report }) => JSON.stringify(withoutPerson(report))),
          ),
          binaryArray(
            'text',
            early.map(({ deliveryId }) => deliveryId),
          ),
        ])
      }
      if (earlyDone.length > 0) send('intake_early_done', deleteEarly, pairs(earlyDone.map(({ tenantId, providerId }) => [tenantId, providerId])))
      for (const [name, text, rows] of [
        ['intake_park', insertParked, parked],
        ['intake_unpark', deleteParked, unparked],
      ] as const) {
        if (rows.length === 0) continue
        send(name, text, [
          ...pairs(rows.map(({ tenantId, address }) => [tenantId, address])),
          binaryArray(
            'text',
            rows.map(({ deliveryId }) => deliveryId),
          ),
        ])
      }
      // Behind the rows that are parked in this same transaction. A channel for which nobody waits, as most, leaves nothing.
      if (opened.length > 0) send('intake_open', insertOpened, [binaryArray('text', opened)])
      await Promise.all(statements)
    },
  }
}

type OutgoingRow = { tenant_id: string; message_id: string; conversation_id: string; provider_id: string | null }

/** The table is not sealed: who of a group reported stays out of it. */
const withoutPerson = ({ participant, ...report }: StatusReport): StatusReport =>
  participant === undefined ? report : { ...report, participant: { tag: participant.tag } }

const pairs = (rows: readonly (readonly [tenantId: string, id: string])[]): Buffer[] => [
  binaryArray(
    'uuid',
    rows.map(([tenantId]) => tenantId),
  ),
  binaryArray(
    'text',
    rows.map(([, id]) => id),
  ),
]

const outgoingBy = (column: 'message_id' | 'provider_id'): string => `
  select o.tenant_id, o.message_id, o.conversation_id, o.provider_id from work.outgoing o
  join (select distinct * from unnest($1::uuid[], $2::text[])) as asked (tenant_id, id) on o.tenant_id = asked.tenant_id and o.${column} = asked.id`

// A message may be queued and accepted within one page: one row per message, the known provider id wins.
const upsertOutgoing = `
  insert into work.outgoing as o (tenant_id, message_id, conversation_id, provider_id)
  select tenant_id, message_id, max(conversation_id), max(provider_id)
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as u (tenant_id, message_id, conversation_id, provider_id)
  group by tenant_id, message_id
  on conflict (tenant_id, message_id) do update set provider_id = excluded.provider_id
  where excluded.provider_id is not null and o.provider_id is distinct from excluded.provider_id`

const insertEarly = `
  insert into work.early_statuses (tenant_id, provider_id, status, report, delivery_id)
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::json[], $5::text[]) on conflict do nothing`

const deleteEarly = `
  delete from work.early_statuses e using unnest($1::uuid[], $2::text[]) as d (tenant_id, provider_id)
  where e.tenant_id = d.tenant_id and e.provider_id = d.provider_id`

const insertParked = `
  insert into work.parked_deliveries (tenant_id, address, delivery_id) select * from unnest($1::uuid[], $2::text[], $3::text[]) on conflict do nothing`

const insertOpened = `
  insert into work.unparking (address)
  select distinct o.address from unnest($1::text[]) as o (address)
  where exists (select from work.parked_deliveries p where p.address = o.address)
  on conflict (address) do update set opened_at = clock_timestamp()`

const deleteParked = `
  delete from work.parked_deliveries p using unnest($1::uuid[], $2::text[], $3::text[]) as d (tenant_id, address, delivery_id)
  where p.tenant_id = d.tenant_id and p.address = d.address and p.delivery_id = d.delivery_id`
