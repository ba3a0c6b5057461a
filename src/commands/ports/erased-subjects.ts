import type { KeySubject } from './key-destroyer.ts'

export type ErasedSubject = KeySubject & { readonly erasedAt: Date }

/** Whose keys were destroyed at or after a moment, oldest first. Who has got a new key since then is among them. */
export type ErasedSubjects = (since: Date) => Promise<readonly ErasedSubject[]>
