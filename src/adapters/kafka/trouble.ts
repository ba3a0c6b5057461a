import kafkajs from 'kafkajs'
import { PublicationTrouble } from '../../commands/ports/publication.ts'

// Node finds only some names in this CommonJS module; the others are reached through it as a whole.
const { KafkaJSError, KafkaJSProtocolError } = kafkajs

const superseded = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING', 'INVALID_TXN_STATE'])
const refused = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'CORRUPT_MESSAGE', 'INVALID_TIMESTAMP'])
const unfit = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'POLICY_VIOLATION',
  'TOPIC_DELETION_DISABLED',
])

/** What kafkajs throws, as what it means to a publisher. Everything unknown counts as `away`: it is tried again, and the outcome read from the topic. */
export function troubleOf(error: unknown): PublicationTrouble {
  if (error instanceof PublicationTrouble) return error
  const type = protocolTypeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  const trouble = (kind: PublicationTrouble['kind']): PublicationTrouble => new PublicationTrouble(kind, message, { cause: error })
  if (type !== undefined && superseded.has(type)) return trouble('superseded')
  if (type !== undefined && refused.has(type)) return trouble('refused')
  if ((type !== undefined && unfit.has(type)) || /SASL|authentication/i.test(message)) return trouble('unfit')
  return trouble('away')
}

/** The broker's own word for it, from under whatever kafkajs wrapped around it. */
function protocolTypeOf(error: unknown, depth = 0): string | undefined {
  if (error instanceof KafkaJSProtocolError && typeof error.type === 'string') return error.type
  if (depth < 4 && error instanceof KafkaJSError && 'cause' in error && error.cause !== undefined) return protocolTypeOf(error.cause, depth + 1)
  return undefined
}
