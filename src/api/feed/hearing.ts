import { covers } from '../../domain/tenant/keys.ts'
import type { Scope } from '../http/scopes.ts'
import type { FeedType } from './frames.ts'

/** What one listener is told: never more than its key may read by the query API, and of that what its topics name. */
export type Hearing = {
  readonly wants: (type: FeedType) => boolean
  /** Conversations also stand inside messages: who may not read them gets messages without. */
  readonly seesConversations: boolean
  /** May know of all organisations, whichever it listens to. */
  readonly isOperator: boolean
}

type Family<Type extends string> = Type extends `${infer First}.${string}` ? First : never

/** The scope that the query API asks for the same thing. */
const scopeOf: Readonly<Record<Family<FeedType>, Scope>> = {
  message: 'messages:read',
  conversation: 'conversations:read',
  contact: 'contacts:read',
  channel: 'channels:read',
  media: 'media:read',
  template: 'templates:read',
  alert: 'alerts:read',
  projection: 'projections:read',
}

/** @param topics types (`message.status`), families (`message`, `message.*`) or `*`; everything when there are none */
export function hearing(topics: readonly string[] | null | undefined, granted: readonly string[], isOperator = false): Hearing {
  const families = topics?.map((topic) => topic.replace(/\.\*$/, ''))
  const may = (type: FeedType): boolean => covers(granted, scopeOf[type.slice(0, type.indexOf('.')) as Family<FeedType>])
  const named = (type: FeedType): boolean => families?.some((topic) => topic === '*' || type === topic || type.startsWith(`${topic}.`)) ?? true
  return { wants: (type) => may(type) && named(type), seesConversations: may('conversation.updated'), isOperator }
}
