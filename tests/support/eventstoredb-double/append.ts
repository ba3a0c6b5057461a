import type { Database } from './database.ts'
import { underFault } from './faults.ts'
import type { Call } from './grpc.ts'
import { empty, nameIn, streams, type shared } from './messages.ts'
import { ANY, NO_STREAM, STREAM_EXISTS, type ExpectedRevision, type ProposedEvent } from './records.ts'
import { refusals } from './refusals.ts'
import type { AppendResult } from './writer.ts'

type ProposedMessage = {
  getId: () => InstanceType<typeof shared.UUID> | undefined
  getMetadataMap: () => { get: (key: string) => string | undefined }
  getCustomMetadata_asU8: () => Uint8Array
  getData_asU8: () => Uint8Array
}
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Undefined when the server could not make an event of it: no id, an id that is no UUID, no type. */
export function proposedEvent(message: ProposedMessage): ProposedEvent | undefined {
  const id = message.getId()?.getString() ?? ''
  const type = message.getMetadataMap().get('type') ?? ''
  if (!UUID.test(id) || type === '') return undefined
  return {
    id: id.toLowerCase(),
    type,
    contentType: message.getMetadataMap().get('content-type') ?? 'application/octet-stream',
    metadata: message.getCustomMetadata_asU8(),
    data: message.getData_asU8(),
  }
}

/**
 * Append, the classic way: one call, the options first, then an event per message. Sizes are counted as they come, data only (metadata and type
 * are not counted, by a slip in the server). A wrong version is an answer with status 0.
 */
export function classicAppend(call: Call, database: Database): void {
  let stream = ''
  let expected: ExpectedRevision = ANY
  let size = 0
  let broken = false
  const events: ProposedEvent[] = []
  call.onMessage((bytes) => {
    const request = streams.AppendReq.deserializeBinary(bytes)
    const options = request.getOptions()
    if (options) {
      stream = nameIn(options.getStreamIdentifier())
      expected = options.hasNoStream()
        ? NO_STREAM
        : options.hasAny()
          ? ANY
          : options.hasStreamExists()
            ? STREAM_EXISTS
            : Number(options.getRevision())
    }
    const proposed = request.getProposedMessage()
    if (!proposed) return
    const event = proposedEvent(proposed)
    if (!event) broken = true
    else events.push(event)
    size += event?.data.length ?? 0
    if (size > database.maxAppendSize) call.refuse(refusals.appendTooLarge(database.maxAppendSize))
  })
  call.onEnd(() =>
    // A turn later: a cancellation that came right behind the last message is seen before anything is stored. And a turn or two more by chance: calls
    // in flight overtake each other on the real server (509 of 1,000 were out of place), and nobody may come to rely on anything else.
    turnsLater(1 + Math.floor(Math.random() * 3), () => {
      if (!call.isOpen() || Date.now() > call.deadline) return
      if (broken || stream === '') return call.refuse(refusals.handlerException)
      underFault(database.faults.take('append', stream), {
        work: () => database.writer.append(stream, expected, events),
        answer: (result) => answer(call, { stream, expected, result }),
        refuse: call.refuse,
        reset: call.cutConnection,
        neverAnswer: () => void setTimeout(() => call.refuse(refusals.commitTimeout), database.commitTimeoutMs()),
      })
    }),
  )
}

function turnsLater(turns: number, then: () => void): void {
  setImmediate(() => (turns > 1 ? turnsLater(turns - 1, then) : then()))
}

function answer(call: Call, { stream, expected, result }: { stream: string; expected: ExpectedRevision; result: AppendResult }): void {
  const response = new streams.AppendResp()
  if (result.kind === 'deleted') return call.refuse(refusals.streamDeleted(stream))
  if (result.kind === 'stored') {
    const success = new streams.AppendResp.Success()
    if (result.revision < 0) success.setNoStream(empty())
    else success.setCurrentRevision(String(result.revision))
    if (result.position === undefined) success.setNoPosition(empty())
    else {
      const place = String(result.position)
      success.setPosition(new streams.AppendResp.Position().setCommitPosition(place).setPreparePosition(place))
    }
    response.setSuccess(success)
  } else response.setWrongExpectedVersion(wrongVersion(expected, result.current))
  call.send(response.serializeBinary())
  call.finish()
}

/** Both generations of the fields are filled, as the server does. */
function wrongVersion(expected: ExpectedRevision, current: number): InstanceType<typeof streams.AppendResp.WrongExpectedVersion> {
  const wrong = new streams.AppendResp.WrongExpectedVersion()
  if (current < 0) wrong.setCurrentNoStream(empty()).setNoStream2060(empty())
  else wrong.setCurrentRevision(String(current)).setCurrentRevision2060(current)
  if (expected === ANY) return wrong.setExpectedAny(empty()).setAny2060(empty())
  if (expected === STREAM_EXISTS) return wrong.setExpectedStreamExists(empty()).setStreamExists2060(empty())
  if (expected === NO_STREAM) return wrong.setExpectedNoStream(empty())
  return wrong.setExpectedRevision(String(expected)).setExpectedRevision2060(expected)
}
