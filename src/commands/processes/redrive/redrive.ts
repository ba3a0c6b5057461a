import type { Pool, PoolClient } from 'pg'
import type { RecordedEvent } from '../../../domain/kernel/envelope.ts'
import type { EventStore } from '../../../domain/kernel/event-store.ts'
import type { LogScan } from '../../../domain/kernel/log-scan.ts'
import { positionOf, type Position } from '../../../domain/kernel/position.ts'
import { inTransaction } from '../../../postgres/transaction.ts'
import { intakeSubscription, outgoingOf } from '../intake/intake.ts'
import { createIntakeMemory } from '../intake/memory.ts'
import { outboxChanges, outboxTypes } from '../sender/outbox-changes.ts'
import { withReturned } from '../sender/outbox-returned.ts'
import { outboxSubscription } from '../sender/outbox.ts'
import { deleteStatement, insertStatement, updateStatement } from '../sender/outbox-table.ts'

/** Of the table as it was: rows that the log knows of and it had not, rows that it had and the log does not know of, rows that say something else. */
export type Redriven = {
  readonly through: Position
  readonly events: number
  readonly rows: number
  readonly missing: number
  readonly surplus: number
  readonly different: number
}

type Sources = { readonly pool: Pool; readonly store: Pick<EventStore, 'readStream'>; readonly scan: LogScan }

type Redrivable = {
  readonly subscription: string
  readonly types: readonly string[]
  readonly table: string
  readonly key: string
  /** Takes out of the table what events after `from` made, and puts aside what they may only have changed. */
  readonly begin?: (client: PoolClient, from: Position) => Promise<void>
  readonly apply: (client: PoolClient, events: readonly RecordedEvent[], through: Position, sources: Sources) => Promise<void>
  readonly end?: (client: PoolClient) => Promise<void>
}

/**
 * The processes whose tables can be made again, and what "side effects off" means for each.
 * - `outbox`: work.outbox, the messages that wait to be sent. No attempt is made and none is recorded: sending is another process, which afterwards finds
 *   what the log says is waiting, and nothing that the log says was taken.
 * - `intake`: work.outgoing, by which statuses find their messages. No delivery is handled again, so no command is given; early statuses, parked and
 *   postponed deliveries are what handling left behind and stay as they are.
 * `media` has no table of its own: its work is jobs, and to make those again is to fetch files again.
 */
const redrivable: Readonly<Record<'intake' | 'outbox', Redrivable>> = {
  outbox: {
    subscription: outboxSubscription,
    types: outboxTypes,
    table: 'work.outbox',
    key: 'tenant_id, message_id',
    async begin(client, from) {
      // Older messages stand aside while the events run: a change that is applied to a row twice is not the same as once.
      await client.query(
        'create temp table redrive_kept on commit drop as select * from work.outbox where queued_position <= $1'.replace('$1', numeral(from)),
      )
      await client.query('delete from work.outbox')
    },
    async apply(client, events, through, { store }) {
      const changes = await withReturned(outboxChanges(events), through, { store, db: client })
      for (const statement of [updateStatement(changes), insertStatement(changes), deleteStatement(changes)]) {
        if (statement !== undefined) await client.query({ ...statement, values: [...(statement.values ?? [])] })
      }
    },
    async end(client) {
      await client.query('insert into work.outbox select * from redrive_kept on conflict do nothing')
    },
  },
  intake: {
    subscription: intakeSubscription,
    types: ['MessageQueued', 'SendAccepted', 'MessageRecorded'],
    table: 'work.outgoing',
    key: 'tenant_id, message_id',
    async apply(client, events, _through, { pool }) {
      const outgoing = events.flatMap(outgoingOf)
      if (outgoing.length > 0) await createIntakeMemory(pool).write(client, { ...nothing, outgoing })
    },
  },
}

const nothing = { early: [], earlyDone: [], parked: [], opened: [], unparked: [] }
export const redrivableProcesses = Object.keys(redrivable) as readonly (keyof typeof redrivable)[]

/** A position as it may stand in a statement that takes no parameters. */
const numeral = (position: Position): string => BigInt(position).toString()

/**
 * Makes a process's table again from the events after `from`, up to where the process is. One transaction that holds the process's subscription: it stands
 * still meanwhile, and goes on from the same place. With `dryRun` everything is done, counted and rolled back.
 * Undefined when the process never ran.
 */
export async function redrive(
  sources: Sources,
  { process, from, dryRun, onProgress }: { process: keyof typeof redrivable; from: Position; dryRun: boolean; onProgress?: (at: Position) => void },
): Promise<Redriven | undefined> {
  const { subscription, types, table, key, begin, apply, end } = redrivable[process]
  try {
    return await inTransaction(sources.pool, async (client) => {
      await client.query('set local statement_timeout = 0')
      await client.query('set local idle_in_transaction_session_timeout = 0')
      const { rows } = await client.query<{ position: string }>(
        `update es.subscriptions set fencing_token = fencing_token + 1, owner = null, lease_until = null where name = $1 returning position`,
        [subscription],
      )
      if (rows[0] === undefined) return undefined
      const through = positionOf(rows[0].position)
      await client.query(`create temp table redrive_before on commit drop as select * from ${table}`)
      await begin?.(client, from)
      let events = 0
      if (from < through) {
        for await (const page of sources.scan({ after: from, through, types })) {
          events += page.events.length
          await apply(client, page.events, page.through, sources)
          onProgress?.(page.through)
        }
      }
      await end?.(client)
      const redriven = { through, events, ...(await compare(client, table, key)) }
      if (dryRun) throw new RolledBack(redriven)
      return redriven
    })
  } catch (error) {
    if (error instanceof RolledBack) return error.redriven
    throw error
  }
}

class RolledBack extends Error {
  override readonly name = 'RolledBack'
  readonly redriven: Redriven
  constructor(redriven: Redriven) {
    super('a dry run is rolled back')
    this.redriven = redriven
  }
}

async function compare(client: PoolClient, table: string, key: string): Promise<Omit<Redriven, 'through' | 'events'>> {
  const { rows } = await client.query<Omit<Redriven, 'through' | 'events'>>(
    `select count(a.tenant_id)::int as rows, count(*) filter (where b.tenant_id is null)::int as missing,
       count(*) filter (where a.tenant_id is null)::int as surplus,
       count(*) filter (where a.tenant_id is not null and b.tenant_id is not null and a.* is distinct from b.*)::int as different
     from ${table} a full join redrive_before b using (${key})`,
  )
  return rows[0] ?? { rows: 0, missing: 0, surplus: 0, different: 0 }
}
