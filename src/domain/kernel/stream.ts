/** One aggregate's stream. The tenant is part of its name in every engine; personal data never is. */
export type StreamRef = { readonly tenantId: string; readonly category: Category; readonly id: string }

export const categories = [
  'tenant',
  'claim',
  'channel',
  'contact',
  'conversation',
  'delivery',
  'user',
  'template',
  'account',
  'alert',
  'media',
  'audit',
  'projection',
  'replay',
] as const
export type Category = (typeof categories)[number]

/** The tenant of what belongs to nobody yet: deliveries for unknown numbers, claims that must be unique in the installation. */
export const platformTenant = '00000000-0000-0000-0000-000000000000'

/** `<category>-<tenantId>_<id>`: the text before the first `-` is the category on EventStoreDB too. */
export const streamName = (ref: StreamRef): string => `${ref.category}-${ref.tenantId}_${ref.id}`

export const streamRef = (category: Category, tenantId: string, id: string): StreamRef => ({ category, tenantId, id })
