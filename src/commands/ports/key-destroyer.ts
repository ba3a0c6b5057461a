export type KeySubject = { readonly tenantId: string; readonly subject: string }

/** The end of keys of the vault: what they sealed stays where it is, and nobody can read it any more. */
export type KeyDestroyer = {
  /** Subjects whose names begin so and that have a key. */
  readonly standing: (prefix: string) => Promise<readonly KeySubject[]>
  /** For good, all versions of them. Processes that have one in memory go on with it for a minute. Answers how many keys went. */
  readonly destroy: (subjects: readonly KeySubject[]) => Promise<number>
}
