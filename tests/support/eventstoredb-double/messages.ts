// The messages come from the very definitions the client speaks, so that both ends cannot disagree about a field's number. The generated files
// are CommonJS whose names only the default import carries.
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { Place } from './reading.ts'
import { spellRevision, type LogRecord } from './records.ts'

export { shared, streams }
export const empty = (): InstanceType<typeof shared.Empty> => new shared.Empty()
export const identifier = (name: string): InstanceType<typeof shared.StreamIdentifier> => {
  const id = new shared.StreamIdentifier()
  id.setStreamName(new Uint8Array(Buffer.from(name, 'utf8')))
  return id
}
export const nameIn = (id: InstanceType<typeof shared.StreamIdentifier> | undefined): string =>
  Buffer.from(id?.getStreamName_asU8() ?? []).toString('utf8')

/** An event as reads and subscriptions carry it: commit and prepare are one, `created` counts 100 ns. */
export function eventMessage(record: LogRecord): Uint8Array {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent()
  const id = new shared.UUID()
  id.setString(record.id)
  event.setId(id)
  event.setStreamIdentifier(identifier(record.stream))
  event.setStreamRevision(spellRevision(record.revision))
  event.setPreparePosition(String(record.position))
  event.setCommitPosition(String(record.position))
  event.getMetadataMap().set('type', record.type).set('content-type', record.contentType).set('created', `${record.created}0000`)
  event.setCustomMetadata(record.metadata)
  event.setData(record.data)
  const read = new streams.ReadResp.ReadEvent()
  read.setEvent(event)
  read.setCommitPosition(String(record.position))
  return new streams.ReadResp().setEvent(read).serializeBinary()
}

export function confirmationMessage(subscriptionId: string): Uint8Array {
  return new streams.ReadResp().setConfirmation(new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(subscriptionId)).serializeBinary()
}
export function checkpointMessage({ commit, prepare }: Place): Uint8Array {
  const checkpoint = new streams.ReadResp.Checkpoint().setCommitPosition(String(commit)).setPreparePosition(String(prepare))
  return new streams.ReadResp().setCheckpoint(checkpoint).serializeBinary()
}
export const caughtUpMessage = (): Uint8Array => new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()).serializeBinary()
export const fellBehindMessage = (): Uint8Array => new streams.ReadResp().setFellBehind(new streams.ReadResp.FellBehind()).serializeBinary()
export function streamNotFoundMessage(stream: string): Uint8Array {
  return new streams.ReadResp().setStreamNotFound(new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifier(stream))).serializeBinary()
}
