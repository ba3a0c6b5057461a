import type { IdentityKind } from './events.ts'

/**
 * One of the names under which the provider knows a person. States: CURRENT → FORMER when another took its place (`until`) → CURRENT again when it came back
 * later than that (`since` after `until`). Times decide and not the order of arrival, so late news of an earlier change takes nothing back.
 */
export type KnownIdentity = {
  readonly kind: IdentityKind
  readonly index: string
  /** Of the very text, where that is not the canonical one: a number that is written in two ways. */
  readonly spelling?: string | undefined
  /** When the provider said so; absent for what only a caller of ours said. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export const isCurrent = ({ since, until }: KnownIdentity): boolean => until === undefined || (since !== undefined && since > until)

/** A new identity, or what is newly known of an old one. */
export function withIdentity<K extends KnownIdentity>(known: readonly K[], said: K): readonly K[] {
  const before = known.find(({ index }) => index === said.index)
  if (before === undefined) return [...known, said]
  const until = before.until
  return known.map((one) => (one === before ? { ...said, ...(until === undefined ? {} : { until }) } : one))
}

/** Another identity took its place; one that nobody had heard of leaves nothing to remember. */
const withFormer = <K extends KnownIdentity>(known: readonly K[], formerIndex: string, until: string): readonly K[] =>
  known.map((one) => (one.index === formerIndex && (one.until ?? '') < until ? { ...one, until } : one))

/** `ContactIdentityReplaced`: with the same index it is only written another way. */
export const withReplaced = <K extends KnownIdentity>(known: readonly K[], formerIndex: string, said: K, at: string): readonly K[] =>
  withIdentity(formerIndex === said.index ? known : withFormer(known, formerIndex, at), said)

/** The identity of a kind that the provider used last. */
export function currentOf<K extends KnownIdentity>(known: readonly K[], kind: IdentityKind): K | undefined {
  let best: K | undefined
  for (const one of known) {
    if (one.kind !== kind || !isCurrent(one)) continue
    if (best === undefined || (one.since ?? '') >= (best.since ?? '')) best = one
  }
  return best
}
