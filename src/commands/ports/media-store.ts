/** A part of a file: bytes from `from` up to and without `to`. */
export type ByteRange = { readonly from: number; readonly to: number }

/**
 * Where the bytes of files lie, sealed: the store sees neither content nor names. Keys are `<tenant>/<file>/<part>`, made of uuids and plain words.
 * Adapters: a directory, any S3-compatible service; one contract suite holds both to the same promises.
 */
export type MediaStore = {
  /** Durable when it resolves; whoever reads meanwhile gets the old bytes or the new ones, never a mixture. When `bytes` throws, nothing is stored. */
  put: (key: string, file: { readonly size: number; readonly bytes: AsyncIterable<Uint8Array> }) => Promise<void>
  /** Undefined when there is no such key. The bytes come as they are read: not to read to the end is to break off. */
  read: (key: string, range: ByteRange) => Promise<AsyncIterable<Uint8Array> | undefined>
  /** Also when there is no such key. */
  remove: (key: string) => Promise<void>
  /** Whether it can be used at all, said at the start and not with the first file. @throws what is wrong, in words for a person */
  check: () => Promise<void>
  close: () => Promise<void>
}
