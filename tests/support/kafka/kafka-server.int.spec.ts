import { describe, expect, it } from 'vitest'
import { sharedKafka } from './kafka-server.ts'
import { plainKafka } from './plain-client.ts'

const shared = await sharedKafka()

describe.skipIf(shared === undefined)('the broker of the tests', () => {
  it('keeps what is produced and hands it to whoever reads', async () => {
    const kafka = plainKafka(shared?.brokers ?? [])
    const topic = `probe-${crypto.randomUUID()}`
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ key: 'a', value: 'one' }] })
    const offsets = await admin.fetchTopicOffsets(topic)
    expect(offsets.reduce((sum, { high }) => sum + Number(high), 0)).toBe(1)
    await producer.disconnect()
    await admin.disconnect()
  })
})
