import kafkajs, { type Admin } from 'kafkajs'
import type { Logger } from 'pino'
import { PublicationTrouble } from '../../commands/ports/publication.ts'

/** What a topic is for decides how Kafka may clean it up. */
export type Topic = { readonly name: string; readonly keeps: 'everything' | 'the-last-of-each-key'; readonly partitions: number }

export type FoundTopic = { readonly partitions: number; readonly maxMessageBytes: number }

const dayMs = 86_400_000
const keptDays = 30

/**
 * Topics as Recado needs them: created where they are missing, checked where they are there. One that exists is never altered: it is somebody's.
 * @throws PublicationTrouble (unfit) with what has to be set, when something would be lost or could never be written.
 */
export async function prepareTopics(admin: Admin, topics: readonly Topic[], log: Logger): Promise<ReadonlyMap<string, FoundTopic>> {
  await createMissing(admin, topics, log)
  const { topics: found } = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map(({ name }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
  })
  const brokers = (await admin.describeCluster()).brokers.length
  const result = new Map<string, FoundTopic>()
  for (const topic of topics) {
    const partitions = found.find(({ name }) => name === topic.name)?.partitions ?? []
    const entries = resources.find(({ resourceName }) => resourceName === topic.name)?.configEntries ?? []
    const settings: Settings = (name) => entries.find(({ configName }) => configName === name)?.configValue
    const copies = Math.min(...partitions.map(({ replicas }) => replicas.length))
    check(topic, settings, { copies, partitions: partitions.length })
    for (const line of risks(topic, settings, { copies, brokers })) log.warn({ topic: topic.name }, line)
    result.set(topic.name, { partitions: partitions.length, maxMessageBytes: Number(settings('max.message.bytes') ?? 1_048_588) })
  }
  return result
}

async function createMissing(admin: Admin, topics: readonly Topic[], log: Logger): Promise<void> {
  const existing = new Set(await admin.listTopics())
  const missing = topics.filter(({ name }) => !existing.has(name))
  if (missing.length === 0) return
  const copies = Math.min(3, (await admin.describeCluster()).brokers.length)
  const settings = (topic: Topic): Record<string, string> => ({
    'min.insync.replicas': copies > 2 ? '2' : '1',
    ...(topic.keeps === 'everything'
      ? { 'cleanup.policy': 'delete', 'retention.ms': String(keptDays * dayMs) }
      : // Segments are compacted when they are closed: of a checkpoint per page nobody wants to keep a gigabyte.
        { 'cleanup.policy': 'compact', 'segment.ms': '3600000', 'segment.bytes': '16777216', 'min.cleanable.dirty.ratio': '0.1' }),
  })
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({
        topic: topic.name,
        numPartitions: topic.partitions,
        replicationFactor: copies,
        configEntries: Object.entries(settings(topic)).map(([name, value]) => ({ name, value })),
      })),
    })
    log.info({ topics: missing.map(({ name }) => name), copies }, 'Kafka topics created')
  } catch (error) {
    if (!/not authorized|authorization failed|policy/i.test(String(error))) throw error
    const wanted = missing.map((topic) => `${topic.name} (${topic.partitions} partitions, ${words(settings(topic))})`)
    throw new PublicationTrouble('unfit', `Kafka does not let us create topics. Create ${wanted.join('; ')}.`, { cause: error })
  }
}

type Settings = (name: string) => string | undefined

/** What makes it impossible. */
function check({ name, keeps, partitions: wanted }: Topic, settings: Settings, { copies, partitions }: { copies: number; partitions: number }): void {
  const unfit = (text: string): never => {
    throw new PublicationTrouble('unfit', `Kafka topic ${name} ${text}`)
  }
  const policy = settings('cleanup.policy') ?? 'delete'
  if (keeps === 'everything' && policy.includes('compact'))
    unfit('is compacted, which would remove earlier events of a key. Set cleanup.policy=delete.')
  if (keeps === 'the-last-of-each-key' && policy !== 'compact')
    unfit(`is not only compacted, so the last record of a key would be lost in time. Set cleanup.policy=compact.`)
  const inSync = Number(settings('min.insync.replicas') ?? 1)
  if (inSync > copies)
    unfit(`wants ${inSync} replicas in sync and has ${copies}: nothing can be written. Set min.insync.replicas to ${copies} at most.`)
  // What belongs in one line of history must not be spread.
  if (wanted === 1 && partitions !== 1) unfit(`has ${partitions} partitions and has to have one.`)
}

/** What goes well until it does not. */
function risks({ keeps }: Topic, settings: Settings, { copies, brokers }: { copies: number; brokers: number }): string[] {
  const inSync = Number(settings('min.insync.replicas') ?? 1)
  const retention = Number(settings('retention.ms') ?? -1)
  return [
    ...(brokers > 2 && copies < 2 ? ['there is one copy of it: a broker that dies takes it along'] : []),
    ...(copies > 1 && inSync < 2 && brokers > 2
      ? [`min.insync.replicas is ${inSync}: what is acknowledged can be lost with one broker; set it to 2`]
      : []),
    ...(keeps === 'everything' && retention >= 0 && retention < dayMs ? ['it forgets events within a day (retention.ms)'] : []),
  ]
}

const words = (settings: Record<string, string>): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
