/** What a key may be allowed to do. `*` stands for all of them, also those to come. */
export const scopes = {
  'tenant:read': 'Read the organisation and its settings',
  'tenant:write': 'Change the organisation and its settings',
  'keys:read': 'List API keys (never their secrets)',
  'keys:write': 'Issue and revoke API keys',
  'channels:read': 'Read channels and their health',
  'channels:write': 'Connect, change, test and remove channels',
  'conversations:read': 'Read conversations and their timelines',
  'conversations:write': 'Mark as read, snooze, resolve, reopen',
  'messages:read': 'Read messages',
  'messages:write': 'Send messages',
  'contacts:read': 'Read contacts',
  'contacts:write': 'Change contacts',
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

/** Whether what was granted covers what is asked for. Unknown grants (of an older or newer version) cover nothing. */
export const covers = (granted: readonly string[], wanted: string): boolean => granted.includes('*') || granted.includes(wanted)
