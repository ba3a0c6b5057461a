import type { CallResult, CloudApiAccount } from './cloud-api.ts'

/** What Meta says of a file. The address works for five minutes. `sha256` as it was given: hex or base64. */
export type DescribedMedia = { readonly url: string; readonly mimeType?: string; readonly sha256?: string; readonly size?: number }

export type UploadedFile = {
  readonly mimeType: string
  readonly filename: string
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Files at Meta. Every call may be repeated at will: a copy too many at Meta's side harms nobody. Adapter: src/adapters/whatsapp-cloud/media.ts */
export type MediaApi = {
  describe: (account: CloudApiAccount, providerId: string, signal?: AbortSignal) => Promise<CallResult<DescribedMedia>>
  /** The bytes as they come; a connection that breaks in between throws from the iteration. */
  download: (account: CloudApiAccount, url: string, signal?: AbortSignal) => Promise<CallResult<AsyncIterable<Uint8Array>>>
  /** Meta's id of the copy, good for 30 days. */
  upload: (account: CloudApiAccount, file: UploadedFile, signal?: AbortSignal) => Promise<CallResult<string>>
  /** The handle of a file that is shown to Meta's reviewers, or put in its place, and not sent: samples of template headers. By the app of the token. */
  uploadSample: (account: CloudApiAccount, file: UploadedFile, signal?: AbortSignal) => Promise<CallResult<string>>
  close: () => Promise<void>
}
