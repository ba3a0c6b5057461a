import { randomUUID } from 'node:crypto'
import serverFeatures from '@eventstore/db-client/generated/serverfeatures_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import type { Database } from './database.ts'
import type { Call } from './grpc.ts'
import { shared } from './messages.ts'
import { underFault, type Operation } from './faults.ts'

const STREAMS = 'event_store.client.streams.streams'
const METHODS: readonly (readonly [service: string, method: string, features: readonly string[]])[] = [
  [STREAMS, 'read', ['position', 'events']],
  [STREAMS, 'append', []],
  [STREAMS, 'delete', []],
  [STREAMS, 'tombstone', []],
  [STREAMS, 'batchappend', ['deadline_duration']],
  ['event_store.client.server_features.serverfeatures', 'getsupportedmethods', []],
  ['event_store.client.gossip.gossip', 'read', []],
]

/** What the client asks first: the version and the methods there are. Persistent subscriptions and the rest are not, and not claimed. */
export function supportedMethods(call: Call, database: Database): void {
  const answer = new serverFeatures.SupportedMethods()
  answer.setEventStoreServerVersion(database.version)
  for (const [service, method, features] of METHODS) {
    const supported = new serverFeatures.SupportedMethod()
    supported.setServiceName(service)
    supported.setMethodName(method)
    supported.setFeaturesList([...features])
    answer.addMethods(supported)
  }
  say(call, database, 'features', answer.serializeBinary())
}

const LEADER = 8
/** A cluster of one: the leader, at the address it was reached by. */
export function clusterInfo(call: Call, database: Database, address: { host: string; port: number }): void {
  const endPoint = new gossip.EndPoint()
  endPoint.setAddress(address.host)
  endPoint.setPort(address.port)
  const member = new gossip.MemberInfo()
  const id = new shared.UUID()
  id.setString(randomUUID())
  member.setInstanceId(id)
  member.setTimeStamp(`${database.now()}0000`)
  member.setState(LEADER)
  member.setIsAlive(true)
  member.setHttpEndPoint(endPoint)
  const answer = new gossip.ClusterInfo()
  answer.setMembersList([member])
  say(call, database, 'gossip', answer.serializeBinary())
}

function say(call: Call, database: Database, operation: Operation, message: Uint8Array): void {
  call.onMessage(() => undefined)
  underFault(database.faults.take(operation, ''), {
    work: async () => Promise.resolve(message),
    answer(bytes) {
      call.send(bytes)
      call.finish()
    },
    refuse: call.refuse,
    reset: call.cutConnection,
    neverAnswer: () => undefined,
  })
}
