import type { MessageError } from '../../domain/conversation/events.ts'
import type { MessageBody } from './schema.ts'

export const messageErrorBody = (error: MessageError): NonNullable<MessageBody['error']> => ({
  code: error.code,
  title: error.title,
  ...(error.detail === undefined ? {} : { detail: error.detail }),
  retryable: error.retryable,
  ...(error.providerError === undefined ? {} : { provider_error: error.providerError }),
  ...(error.providerErrors === undefined ? {} : { provider_errors: error.providerErrors }),
})
