import { createEventStoreDbEventStore } from '../../src/adapters/event-store/eventstoredb/event-store.ts'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import type { EventStore } from '../../src/domain/kernel/event-store.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { plainKafka } from '../support/kafka/plain-client.ts'

type Env = Readonly<Record<string, string>>

/** The log that an installation with this environment has, with a pool for the time that it is open. */
export async function withLogOf<T>(env: Env, use: (store: EventStore, pool: ReturnType<typeof createPool>) => Promise<T>): Promise<T> {
  const pool = createPool({ url: env['DATABASE_URL'] ?? '', role: 'recado_worker', max: 2, name: 'faults' })
  const store =
    env['EVENT_STORE'] === 'eventstoredb'
      ? createEventStoreDbEventStore({ url: env['EVENTSTOREDB_URL'] ?? '' })
      : createPostgresEventStore({ pool, listenUrl: env['DATABASE_URL'] ?? '' })
  try {
    return await use(store, pool)
  } finally {
    await store.close()
    await pool.end()
  }
}

/** What somebody would ask who finds an installation waiting: how far is the log, who moves what, how far is that, and what does Kafka have. One line each. */
export async function whatIsBehind(env: Env): Promise<string[]> {
  const parts = [ofTheDatabase(env)]
  if (env['KAFKA_BROKERS'] !== undefined) parts.push(ofKafka(env['KAFKA_BROKERS'].split(','), env['KAFKA_TOPIC_PREFIX'] ?? ''))
  return (await Promise.all(parts.map(async (part) => part.catch((error: unknown) => [`could not be asked: ${String(error)}`])))).flat()
}

async function ofTheDatabase(env: Env): Promise<string[]> {
  return withLogOf(env, async (store, pool) => {
    const head = await store.head()
    const { rows: subscriptions } = await pool.query<
      Record<'name' | 'place', string> & Record<'owner' | 'meant' | 'status' | 'held' | 'quiet', string | null>
    >(
      `select s.name, s.position as place, s.owner, s.assigned_to as meant, s.status,
        case when s.lease_until >= clock_timestamp() then 'held' when s.owner is not null then 'lapsed' end as held,
        round(extract(epoch from clock_timestamp() - s.updated_at)) as quiet
      from es.subscriptions s where s.status <> 'retired' order by s.position, s.name`,
    )
    const { rows: watermarks } = await pool.query<{ topic: string; place: string; ends: string }>(
      'select topic, position as place, ends::text from es.topic_watermarks',
    )
    const { rows: members } = await pool.query<{ owner: string; roles: string; pid: number; here: boolean }>(
      'select owner, roles::text, pid, es.is_here(owner) as here from es.members order by joined_at',
    )
    return [
      `the log ends at ${BigInt(head.position)}`,
      ...members.map(({ owner, roles, pid, here }) => `process ${pid} ${roles} ${owner}${here ? '' : ' (gone)'}`),
      ...subscriptions.map(
        ({ name, place, owner, meant, status, held, quiet }) =>
          `${BigInt(place) < BigInt(head.position) ? 'BEHIND ' : ''}${name} at ${place}, ${status}, ${held ?? 'free'} ${owner ?? ''}, meant for ${meant ?? 'anybody'}, moved ${quiet} s ago`,
      ),
      ...watermarks.map(({ topic, place, ends }) => `${topic} has everything up to ${place}, before ${ends}`),
    ]
  })
}

/** What topics hold, and who is in which group: a group without members that is there is one whose reader left or died. */
async function ofKafka(brokers: readonly string[], prefix: string): Promise<string[]> {
  const admin = plainKafka(brokers, { retry: { retries: 2 } }).admin()
  try {
    await admin.connect()
    const topics = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
    const ends = await Promise.all(
      topics.map(async (topic) => {
        const partitions = (await admin.fetchTopicOffsets(topic)).toSorted((a, b) => a.partition - b.partition)
        return `topic ${topic} from ${partitions.map(({ low }) => low).join(',')} to ${partitions.map(({ high }) => high).join(',')}`
      }),
    )
    const names = (await admin.listGroups()).groups.map(({ groupId }) => groupId).filter((name) => name.startsWith(prefix))
    const { groups } = await admin.describeGroups(names)
    return [
      ...ends,
      ...groups
        .filter(({ members }) => members.length > 0)
        .map(({ groupId, state, members }) => `group ${groupId}: ${state}, ${members.map(({ memberId }) => memberId).join(', ')}`),
    ]
  } finally {
    await admin.disconnect()
  }
}
