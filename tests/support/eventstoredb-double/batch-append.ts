import status from '@eventstore/db-client/generated/status_pb.js'
import { proposedEvent } from './append.ts'
import type { Database } from './database.ts'
import { underFault } from './faults.ts'
import type { Call, Refusal } from './grpc.ts'
import { empty, identifier, nameIn, shared, streams } from './messages.ts'
import { ANY, NO_STREAM, STREAM_EXISTS, type ExpectedRevision, type ProposedEvent } from './records.ts'
import { refusals } from './refusals.ts'
import type { AppendResult } from './writer.ts'

type Append = { stream: string; expected: ExpectedRevision; deadline: number; events: ProposedEvent[]; size: number; broken: boolean }

/** BatchAppend: one long call carries every append of a client, told apart by correlation id. Verdicts fall in the order in which the appends end. */
export function batchAppend(call: Call, database: Database, ready: () => boolean): void {
  const open = new Map<string, Append>()
  call.onMessage((bytes) => {
    const request = streams.BatchAppendReq.deserializeBinary(bytes)
    const correlation = request.getCorrelationId()?.getString() ?? ''
    const append = open.get(correlation) ?? { stream: '', expected: ANY, deadline: Infinity, events: [], size: 0, broken: false }
    open.set(correlation, append)
    const options = request.getOptions()
    if (options) {
      append.stream = nameIn(options.getStreamIdentifier())
      append.expected = options.hasNoStream()
        ? NO_STREAM
        : options.hasAny()
          ? ANY
          : options.hasStreamExists()
            ? STREAM_EXISTS
            : Number(options.getStreamPosition())
      append.deadline = options.getDeadline()?.toDate().getTime() ?? Infinity
    }
    for (const message of request.getProposedMessagesList()) {
      const event = proposedEvent(message)
      if (!event) append.broken = true
      else append.events.push(event)
      append.size += event?.data.length ?? 0
    }
    if (!request.getIsFinal()) return
    open.delete(correlation)
    perform(call, database, correlation, { ...append, ready: ready() })
  })
  call.onEnd(call.finish)
}

function perform(call: Call, database: Database, correlation: string, append: Append & { ready: boolean }): void {
  const { stream, expected } = append
  const say = (fill: (response: InstanceType<typeof streams.BatchAppendResp>) => void): void => {
    const response = new streams.BatchAppendResp().setStreamIdentifier(identifier(stream))
    const id = new shared.UUID()
    id.setString(correlation)
    fill(response.setCorrelationId(id))
    call.send(response.serializeBinary())
  }
  const fail = (error: Failure): void => say((response) => void response.setError(statusOf(error)))

  if (!append.ready) return refuse(call, refusals.notReady, fail)
  if (append.broken || stream === '') return fail({ code: 3, name: 'BadRequest', value: lengthDelimited(1, Buffer.from('Bad request')) })
  if (append.size > database.maxAppendSize) {
    const value = new shared.MaximumAppendSizeExceeded()
    value.setMaxappendsize(database.maxAppendSize)
    return fail({ code: 3, name: 'MaximumAppendSizeExceeded', value: value.serializeBinary() })
  }
  // The deadline is absolute and only the server's to keep: one that has passed is not stored.
  if (Date.now() > append.deadline) return fail({ code: 4, name: 'Timeout' })
  underFault(database.faults.take('append', stream), {
    work: () => database.writer.append(stream, expected, append.events),
    answer: (result) => say((response) => answer(response, { stream, expected, result })),
    refuse: (refusal) => refuse(call, refusal, fail),
    reset: call.cutConnection,
    neverAnswer: () => void setTimeout(() => fail({ code: 4, name: 'Timeout' }), database.commitTimeoutMs()),
  })
}

function answer(
  response: InstanceType<typeof streams.BatchAppendResp>,
  { stream, expected, result }: { stream: string; expected: ExpectedRevision; result: AppendResult },
): void {
  if (result.kind === 'deleted') {
    const value = new shared.StreamDeleted()
    value.setStreamIdentifier(identifier(stream))
    response.setError(statusOf({ code: 5, name: 'StreamDeleted', value: value.serializeBinary() }))
  } else if (result.kind === 'wrong-version') {
    const value = new shared.WrongExpectedVersion()
    if (result.current < 0) value.setCurrentNoStream(empty())
    else value.setCurrentStreamRevision(String(result.current))
    if (expected === ANY) value.setExpectedAny(empty())
    else if (expected === STREAM_EXISTS) value.setExpectedStreamExists(empty())
    else if (expected === NO_STREAM) value.setExpectedNoStream(empty())
    else value.setExpectedStreamPosition(String(expected))
    response.setError(statusOf({ code: 6, name: 'WrongExpectedVersion', value: value.serializeBinary() }))
  } else {
    const success = new streams.BatchAppendResp.Success()
    if (result.revision < 0) success.setNoStream(empty())
    else success.setCurrentRevision(String(result.revision))
    if (result.position === undefined) success.setNoPosition(empty())
    else {
      const place = new shared.AllStreamPosition()
      place.setCommitPosition(String(result.position))
      place.setPreparePosition(String(result.position))
      success.setPosition(place)
    }
    response.setSuccess(success)
  }
}

/** Not ready is an answer without a code and with nothing to unpack; not leader ends the whole call; the rest are statuses of their own. */
function refuse(call: Call, refusal: Refusal, fail: (error: Failure) => void): void {
  if (refusal === refusals.accessDenied) return fail({ code: 7, name: 'AccessDenied' })
  if (refusal === refusals.commitTimeout) return fail({ code: 4, name: 'Timeout' })
  if (refusal.code === 14) return fail({ code: 0, name: refusal.details, type: 'google.protobuf.Empty' })
  call.refuse(refusal)
}

type Failure = { code: number; name: string; value?: Uint8Array; type?: string }

/** google.rpc.Status by hand: a code, the name as its message, and an Any of that name. Three fields do not warrant another dependency. */
function statusOf({ code, name, value = new Uint8Array(), type = `event_store.client.${name}` }: Failure): InstanceType<typeof status.Status> {
  const any = Buffer.concat([lengthDelimited(1, Buffer.from(`type.googleapis.com/${type}`)), lengthDelimited(2, value)])
  const bytes = Buffer.concat([Buffer.from(code === 0 ? [] : [8, code]), lengthDelimited(2, Buffer.from(name)), lengthDelimited(3, any)])
  return status.Status.deserializeBinary(new Uint8Array(bytes))
}
function lengthDelimited(field: number, value: Uint8Array): Buffer {
  const length: number[] = []
  for (let rest = value.length; ; rest >>>= 7) {
    if (rest < 128) {
      length.push(rest)
      break
    }
    length.push((rest & 127) | 128)
  }
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), value])
}
