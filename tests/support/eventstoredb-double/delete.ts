import type { Database } from './database.ts'
import { underFault } from './faults.ts'
import type { Call } from './grpc.ts'
import { nameIn, streams } from './messages.ts'
import { ANY, NO_STREAM, STREAM_EXISTS } from './records.ts'
import { refusals } from './refusals.ts'

/** Delete (soft: the stream may come back) and Tombstone (for good) differ in what is written; both say a wrong version by an rpc error. */
export function deleteStream(call: Call, database: Database, how: 'softDelete' | 'tombstone'): void {
  call.onMessage((bytes) => {
    const options = streams.DeleteReq.deserializeBinary(bytes).getOptions()
    const stream = nameIn(options?.getStreamIdentifier())
    if (!options || stream === '') return call.refuse(refusals.handlerException)
    const expected = options.hasNoStream()
      ? NO_STREAM
      : options.hasAny()
        ? ANY
        : options.hasStreamExists()
          ? STREAM_EXISTS
          : Number(options.getRevision())
    underFault(database.faults.take('delete', stream), {
      work: () => database.writer[how](stream, expected),
      answer(result) {
        if (result.kind === 'deleted') return call.refuse(refusals.streamDeleted(stream))
        if (result.kind === 'wrong-version') return call.refuse(refusals.deleteWrongVersion(stream, expected, result.current))
        const place = String(result.position ?? 0)
        // DeleteResp and TombstoneResp are the same on the wire.
        const position = new streams.DeleteResp.Position().setCommitPosition(place).setPreparePosition(place)
        call.send(new streams.DeleteResp().setPosition(position).serializeBinary())
        call.finish()
      },
      refuse: call.refuse,
      reset: call.cutConnection,
      neverAnswer: () => void setTimeout(() => call.refuse(refusals.commitTimeout), database.commitTimeoutMs()),
    })
  })
}
