import type { CallResult, CloudApiAccount } from './cloud-api.ts'

/** The business profile that customers see. Absent: not set. */
export type BusinessProfile = {
  readonly about?: string
  readonly address?: string
  readonly description?: string
  readonly email?: string
  readonly websites?: readonly string[]
  readonly vertical?: string
  /** Meta's address of the picture; it expires. Read only: a picture is set by an upload handle. */
  readonly pictureUrl?: string
}
/** What is left out stays; an empty text or list removes (but not `about`, which Meta does not let be empty). */
export type ProfileChange = Omit<BusinessProfile, 'pictureUrl'> & { readonly pictureHandle?: string }

/** Adapter: src/adapters/whatsapp-cloud/profile.ts. */
export type ProfilesApi = {
  readProfile: (account: CloudApiAccount) => Promise<CallResult<BusinessProfile>>
  writeProfile: (account: CloudApiAccount, change: ProfileChange) => Promise<CallResult<true>>
}
