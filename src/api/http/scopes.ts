/**
 * What a key may be allowed to do. `*` stands for all of them, also those to come. They name every resource of the contract, also those whose routes
 * are not served yet: a key that is issued with them today need not be replaced on that day.
 */
export const scopes = {
  'tenant:read': 'Read the organisation and its settings',
  'tenant:write': 'Change the organisation and its settings',
  'keys:read': 'List API keys (never their secrets)',
  'keys:write': 'Issue and revoke API keys',
  'users:read': 'Read users and teams',
  'users:write': 'Invite, change and remove users and teams',
  'channels:read': 'Read channels and their health',
  'channels:write': 'Connect, change, test and remove channels',
  'alerts:read': 'Read alerts',
  'alerts:write': 'Resolve alerts',
  'conversations:read': 'Read conversations and their timelines',
  'conversations:write': 'Mark as read, snooze, resolve, reopen',
  'messages:read': 'Read messages',
  'messages:write': 'Send messages',
  'contacts:read': 'Read contacts',
  'contacts:write': 'Change contacts',
  'segments:read': 'Read segments',
  'segments:write': 'Change segments',
  'media:read': 'Read media',
  'media:write': 'Upload media',
  'canned_replies:read': 'Read canned replies',
  'canned_replies:write': 'Change canned replies',
  'templates:read': 'Read message templates',
  'templates:write': 'Create, change, sync and remove message templates',
  'campaigns:read': 'Read campaigns, their recipients and figures',
  'campaigns:write': 'Create, change and run campaigns',
  'automations:read': 'Read automations and their runs',
  'automations:write': 'Change automations',
  'assistants:read': 'Read assistants',
  'assistants:write': 'Change assistants',
  'integrations:read': 'Read integrations',
  'integrations:write': 'Connect, change, test and remove integrations',
  'webhooks:read': 'Read webhook endpoints and what was delivered to them',
  'webhooks:write': 'Change webhook endpoints and send deliveries again',
  'properties:read': 'Read properties',
  'properties:write': 'Change properties',
  'visits:read': 'Read visits',
  'visits:write': 'Change visits',
  'reports:read': 'Read reports',
  'audit:read': 'Read and export the audit trail',
  'deliveries:read': 'Read raw inbound deliveries',
  'deliveries:write': 'Replay deliveries',
  'projections:read': 'Read the progress of read models',
  'projections:write': 'Rebuild read models',
  'events:read': 'Read the log (personal fields sealed)',
  'events:reveal': 'Read the log with personal fields opened',
  'feed:read': 'Listen to the live feed',
} as const

export type Scope = keyof typeof scopes
export type GrantedScope = Scope | '*'

export const isScope = (text: string): text is Scope => Object.hasOwn(scopes, text)
