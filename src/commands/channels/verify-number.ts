import type { NumberFacts } from '../../domain/channel/events.ts'
import { explain } from '../../domain/conversation/provider-errors.ts'
import type { CallResult, CloudApi, CloudApiAccount, ProviderError } from '../ports/cloud-api.ts'

/** `credentials_refused`: somebody has to change something. `provider_unreachable`: try again later. Both say so to a person. */
export type Unverified = {
  readonly refused: 'credentials_refused' | 'provider_unreachable'
  readonly title: string
  readonly detail: string
  readonly providerError?: ProviderError
}
export type Verified = { readonly facts: NumberFacts }

/** Asks the provider about the number: proves token, number and account in one go. `subscribe` also asks it to send us webhooks. */
export async function verifyNumber(
  cloudApi: CloudApi,
  account: CloudApiAccount,
  { subscribe }: { subscribe: boolean },
): Promise<Verified | Unverified> {
  const described = await cloudApi.describeNumber(account)
  if (!('ok' in described)) return unverified(described, `the number ${account.phoneNumberId} of the account ${account.wabaId}`)
  if (subscribe) {
    const subscribed = await cloudApi.subscribeApp(account)
    if (!('ok' in subscribed)) return unverified(subscribed, `the webhooks of the account ${account.wabaId}`)
  }
  return { facts: described.ok }
}

function unverified(result: Exclude<CallResult<unknown>, { ok: unknown }>, about: string): Unverified {
  if ('unreachable' in result) {
    const title = 'Meta did not answer'
    return { refused: 'provider_unreachable', title, detail: `${title} when asked about ${about}. Try again in a moment.` }
  }
  const { error } = result
  const { class: kind, title, explanation } = explain(error.code, error.status)
  const passing = kind === 'retry' || kind === 'backoff'
  const detail = `${title}, said of ${about}. ${explanation}`
  return { refused: passing ? 'provider_unreachable' : 'credentials_refused', title, detail, providerError: error }
}
