import { alerts } from './alerts/projection.ts'
import { apiKeys } from './apiKeys/projection.ts'
import { audit } from './audit/projection.ts'
import { channels } from './channels/projection.ts'
import { contacts } from './contacts/projection.ts'
import { conversations } from './conversations/projection.ts'
import { deliveries } from './deliveries/projection.ts'
import type { Projection } from './engine/projection.ts'
import { media } from './media/projection.ts'
import { messageChanges } from './messageChanges/projection.ts'
import { messages } from './messages/projection.ts'
import { templates } from './templates/projection.ts'
import { tenants } from './tenants/projection.ts'
import { usage } from './usage/projection.ts'

/** Every read model there is. */
export const projections: readonly Projection[] = [
  tenants,
  apiKeys,
  channels,
  contacts,
  conversations,
  messages,
  messageChanges,
  media,
  deliveries,
  templates,
  alerts,
  usage,
  audit,
]
