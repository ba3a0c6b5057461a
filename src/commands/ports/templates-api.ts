import type { TemplateDefinition } from '../../domain/template/events.ts'
import type { ListedTemplate } from '../../domain/template/template.ts'
import type { CallResult, CloudApiAccount } from './cloud-api.ts'

/** One page of an account's templates. Without `after` it is the last. `whole`: everything on it could be read, so what is not on it is not there. */
export type TemplatesPage = { readonly templates: readonly ListedTemplate[]; readonly whole: boolean; readonly after?: string }
export type CreatedTemplate = { readonly providerId: string; readonly status: string; readonly category?: string }

/**
 * Meta's template management. Ids are text, though Meta sends them as JSON numbers that a double need not hold.
 * Creating and editing count against Meta's limits (a hundred creations an hour), so they are never repeated without a reason.
 * Adapter: src/adapters/whatsapp-cloud/templates.ts
 */
export type TemplatesApi = {
  /** `name`: only those of exactly this name. */
  list: (account: CloudApiAccount, options: { readonly name?: string; readonly after?: string | undefined }) => Promise<CallResult<TemplatesPage>>
  get: (account: CloudApiAccount, providerId: string) => Promise<CallResult<ListedTemplate>>
  create: (
    account: CloudApiAccount,
    template: { readonly name: string; readonly language: string; readonly definition: TemplateDefinition },
  ) => Promise<CallResult<CreatedTemplate>>
  /** Meta replaces all components. */
  edit: (
    account: CloudApiAccount,
    providerId: string,
    change: { readonly category?: string; readonly definition: TemplateDefinition },
  ) => Promise<CallResult<true>>
  /** All languages of a name, or with `providerId` that one. */
  remove: (account: CloudApiAccount, template: { readonly name: string; readonly providerId?: string }) => Promise<CallResult<true>>
  close: () => Promise<void>
}
