import type { Actor } from '../../../domain/kernel/envelope.ts'

/** The names that a sentence may use, as they stand in the middle of one. Whoever has no name (any more) is named by what they are. */
export type Voice = {
  /** Who did it. */
  readonly by: string
  /** The person of a conversation. */
  readonly customer: string
  /** What it is about, e.g. `the channel "Ventas"`. */
  readonly thing: string
}

const provider = 'Meta'

/** An actor's name. Keys carry theirs in the event; nothing of ours that is not a person has one to protect. */
export function actorName({ kind, id, name }: Actor): string {
  switch (kind) {
    case 'user':
      return name ?? 'a user'
    case 'api':
      return name === undefined ? `the API key ${id}` : `the API key "${name}"`
    case 'operator':
      return 'the platform operator'
    case 'process':
      return `Recado (${id})`
    case 'provider':
      return id === 'meta' ? provider : id
    default:
      return kind satisfies never
  }
}

export const sentenceCase = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

export const quoted = (text: string): string => `"${text}"`

/** `: reason`, or nothing. */
export const because = (reason: string | undefined): string => (reason === undefined || reason === '' ? '' : `: ${reason}`)
