import type { PhoneSync } from '../../domain/channel/events.ts'
import type { CallResult, CloudApiAccount } from './cloud-api.ts'

/** Numbers that stay on the business app of a phone. Adapter: src/adapters/whatsapp-cloud/coexistence.ts. */
export type CoexistenceApi = {
  /** Asks the phone for its address book or its history; both come as webhooks, over minutes. `requestId` is for Meta's support. */
  requestSync: (account: CloudApiAccount, what: PhoneSync) => Promise<CallResult<{ readonly requestId?: string }>>
}
