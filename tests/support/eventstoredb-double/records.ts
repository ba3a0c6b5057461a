/** One event as the log holds it. `position` is its offset in the log (commit and prepare are always the same number), `end` where the next begins. */
export type LogRecord = {
  position: number
  end: number
  stream: string
  revision: number
  id: string
  type: string
  contentType: string
  metadata: Uint8Array
  data: Uint8Array
  /** Milliseconds since 1970; the wire wants ticks of 100 ns. */
  created: number
}

export type ProposedEvent = Pick<LogRecord, 'id' | 'type' | 'contentType' | 'metadata' | 'data'>

/** What the caller believes of the stream: -1 `no_stream`, -2 `any`, -4 `stream_exists`, else the exact revision. The server's own numbers. */
export type ExpectedRevision = number
export const NO_STREAM = -1
export const ANY = -2
export const STREAM_EXISTS = -4

/** Int64.MaxValue: the revision of a tombstone and the `$tb` of a soft deletion. As a double it is 2^63; the wire spells it out. */
export const DELETED = 2 ** 63
export const spellRevision = (revision: number): string => (revision === DELETED ? '9223372036854775807' : String(revision))

export const TOMBSTONE_TYPE = '$streamDeleted'
export const METADATA_TYPE = '$metadata'
export const metastreamOf = (stream: string): string => `$$${stream}`
export const isMetastream = (stream: string): boolean => stream.startsWith('$$')

/** Where the first record of a new database was seen: that of `$$$scavenges`. */
export const FIRST_POSITION = 548

/** Roughly a prepare's size on disk: small events were seen 143 bytes apart. Only the gaps matter: nobody may count positions. */
export const sizeOf = ({ stream, type, data, metadata }: Pick<LogRecord, 'stream' | 'type' | 'data' | 'metadata'>): number =>
  110 + Buffer.byteLength(stream) + Buffer.byteLength(type) + data.length + metadata.length

export type StreamSettings = { maxAgeMs?: number; maxCount?: number; truncateBefore: number }
export const noSettings: StreamSettings = { truncateBefore: 0 }

/** `$metadata` that is no JSON object is accepted and means nothing. */
export function parseSettings(data: Uint8Array): StreamSettings {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    return noSettings
  }
  if (typeof parsed !== 'object' || parsed === null) return noSettings
  const numberOf = (key: string): number | undefined => {
    const value = (parsed as Record<string, unknown>)[key]
    return typeof value === 'number' ? value : undefined
  }
  const [maxAge, maxCount] = [numberOf('$maxAge'), numberOf('$maxCount')]
  return {
    ...(maxAge === undefined ? {} : { maxAgeMs: maxAge * 1000 }),
    ...(maxCount === undefined ? {} : { maxCount }),
    truncateBefore: numberOf('$tb') ?? 0,
  }
}
