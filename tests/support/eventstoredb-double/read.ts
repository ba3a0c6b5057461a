import { randomUUID } from 'node:crypto'
import type { Database } from './database.ts'
import type { Misdeed } from './faults.ts'
import { createFilter, DEFAULT_WINDOW, type Filter } from './filters.ts'
import type { Call } from './grpc.ts'
import {
  caughtUpMessage,
  checkpointMessage,
  confirmationMessage,
  eventMessage,
  fellBehindMessage,
  nameIn,
  streamNotFoundMessage,
  streams,
} from './messages.ts'
import { isDeleted, judgePlace, readAll, readStream, type AllStart, type StreamStart } from './reading.ts'
import type { LogRecord } from './records.ts'
import { refusals } from './refusals.ts'
import { allSource, streamSource, type Source } from './sources.ts'
import { createSubscription } from './subscription.ts'

type Options = InstanceType<typeof streams.ReadReq.Options>

/** Read, which is four things: a stream or `$all`, once or as a subscription. */
export function read(call: Call, database: Database): void {
  call.onMessage((bytes) => {
    const options = streams.ReadReq.deserializeBinary(bytes).getOptions()
    if (!options) return call.refuse(refusals.handlerException)
    const stream = options.getStream() ? nameIn(options.getStream()?.getStreamIdentifier()) : '$all'
    const misdeed = database.faults.take(options.hasSubscription() ? 'subscribe' : 'read', stream)
    const serve = (): void => (options.hasSubscription() ? subscribe(call, database, options, misdeed) : readOnce(call, database, options, misdeed))
    if (misdeed?.kind === 'hang' || misdeed?.kind === 'lose-answer') return
    if (misdeed?.kind === 'reset' || (misdeed?.kind === 'store-then' && misdeed.with === 'reset')) return call.cutConnection()
    if (misdeed?.kind === 'refuse') return call.refuse(misdeed.with)
    if (misdeed?.kind === 'slow' || misdeed?.kind === 'late') return void setTimeout(serve, misdeed.ms)
    serve()
  })
}

const allStart = (all: InstanceType<typeof streams.ReadReq.Options.AllOptions>): AllStart => {
  if (all.hasStart()) return 'start'
  if (all.hasEnd()) return 'end'
  const place = all.getPosition()
  return { commit: Number(place?.getCommitPosition()), prepare: Number(place?.getPreparePosition()) }
}
const streamStart = (stream: InstanceType<typeof streams.ReadReq.Options.StreamOptions>): StreamStart =>
  stream.hasStart() ? 'start' : stream.hasEnd() ? 'end' : Number(stream.getRevision())

function readOnce(call: Call, database: Database, options: Options, misdeed: Misdeed | undefined): void {
  const { log, now } = database
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS
  const count = Number(options.getCount())
  const all = options.getAll()
  if (all) {
    const from = allStart(all)
    const place = typeof from === 'string' ? 'good' : judgePlace(log, from)
    if (place !== 'good') return call.refuse(place === 'bad' ? refusals.badAllPosition : refusals.handlerException)
    // The real server spins on this until the client goes away.
    if (count === 0) return
    return sendAll(call, readAll(log, { from, count, backwards }), misdeed)
  }
  const asked = options.getStream()
  const stream = nameIn(asked?.getStreamIdentifier())
  if (!asked || stream === '') return call.refuse(refusals.handlerException)
  if (count === 0) return call.refuse(refusals.badStreamRead)
  const found = readStream(log, now(), { stream, from: streamStart(asked), count, backwards })
  if (found === 'deleted') return call.refuse(refusals.streamDeleted(stream))
  if (found === 'missing') {
    call.send(streamNotFoundMessage(stream))
    return call.finish()
  }
  sendAll(call, found.values(), misdeed)
}

/** As fast as the reader takes. */
function sendAll(call: Call, records: Iterator<LogRecord>, misdeed: Misdeed | undefined): void {
  let sent = 0
  const more = (): void => {
    while (call.isOpen()) {
      if (misdeed?.kind === 'end' && sent >= misdeed.after) return endAsTold(call, misdeed)
      if (!call.writable()) return call.whenWritable(more)
      const next = records.next()
      if (next.done) return call.finish()
      call.send(eventMessage(next.value))
      sent += 1
    }
  }
  more()
}

function endAsTold(call: Call, { how }: Extract<Misdeed, { kind: 'end' }>): void {
  switch (how) {
    case 'ok':
      return call.finish()
    case 'no-status':
      return call.abort()
    case 'too-slow':
      return call.refuse(refusals.tooSlow)
    case 'reset':
      return call.cutConnection()
    case 'silence':
    case 'fell-behind':
      return undefined
    default:
      return how satisfies never
  }
}

function filterOf(options: Options): Filter | undefined {
  const filter = options.getFilter()
  if (!filter) return undefined
  const expression = filter.getStreamIdentifier() ?? filter.getEventType()
  return createFilter({
    on: filter.hasStreamIdentifier() ? 'stream' : 'type',
    prefixes: expression?.getPrefixList() ?? [],
    regex: expression?.getRegex() ?? '',
    window: filter.hasMax() ? filter.getMax() : DEFAULT_WINDOW,
    interval: filter.getCheckpointintervalmultiplier(),
  })
}

function sourceOf(database: Database, options: Options): Source | ReturnType<typeof refusals.streamDeleted> {
  const { log, now } = database
  const all = options.getAll()
  if (all) {
    const from = allStart(all)
    const place = typeof from === 'string' ? 'good' : judgePlace(log, from)
    if (place !== 'good') return place === 'bad' ? refusals.badAllPosition : refusals.handlerException
    try {
      return allSource(log, from, filterOf(options))
    } catch {
      return refusals.handlerException
    }
  }
  const asked = options.getStream()
  const stream = nameIn(asked?.getStreamIdentifier())
  if (!asked || stream === '') return refusals.handlerException
  return isDeleted(log, stream) ? refusals.streamDeleted(stream) : streamSource(log, stream, streamStart(asked), now)
}

function subscribe(call: Call, database: Database, options: Options, misdeed: Misdeed | undefined): void {
  const source = sourceOf(database, options)
  if ('code' in source) return call.refuse(source)
  let sent = 0
  let silent = false
  const send = (message: () => Uint8Array): void => {
    if (!silent) call.send(message())
  }
  const subscription = createSubscription(
    source,
    {
      event(record) {
        send(() => eventMessage(record))
        sent += 1
        if (misdeed?.kind !== 'end' || sent !== misdeed.after) return
        if (misdeed.how === 'fell-behind') {
          call.send(fellBehindMessage())
          return call.send(caughtUpMessage())
        }
        if (misdeed.how === 'silence') silent = true
        else subscription.stop()
        endAsTold(call, misdeed)
      },
      checkpoint: (place) => send(() => checkpointMessage(place)),
      caughtUp: () => send(caughtUpMessage),
      fellBehind: () => send(fellBehindMessage),
      writable: call.writable,
      whenWritable: call.whenWritable,
      tooSlow: () => call.refuse(refusals.tooSlow),
      deleted: (stream) => call.refuse(refusals.streamDeleted(stream)),
    },
    { fallsBehind: database.fallsBehind },
  )
  database.subscriptions.add(subscription)
  call.onClose(() => {
    subscription.stop()
    database.subscriptions.delete(subscription)
  })
  call.send(confirmationMessage(randomUUID()))
  subscription.start()
}
