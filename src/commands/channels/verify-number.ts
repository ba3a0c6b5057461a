import type { NumberFacts } from '../../domain/channel/events.ts'
import type { CallResult, CloudApi, CloudApiAccount, ProviderError } from '../ports/cloud-api.ts'
import { explainCheck } from './explain-check.ts'

/** `credentials_refused`: somebody has to change something. `provider_unreachable`: try again later. Both say so to a person. */
export type Unverified = {
  readonly refused: 'credentials_refused' | 'provider_unreachable'
  readonly title: string
  readonly detail: string
  readonly providerError?: ProviderError
}
/** Where Meta should send the webhooks of a channel, if not to the address of its app. */
export type WebhookAddress = { readonly url: string; readonly verifyToken: string }

/** `webhooks`: the number works, but Meta did not take the address where its webhooks should go. */
export type Verified = { readonly facts: NumberFacts; readonly webhooks?: Unverified }

/** Asks the provider about the number: proves token, number and account in one go. `subscribe` also asks it to send us webhooks, to `address` if there is one. */
export async function verifyNumber(
  cloudApi: CloudApi,
  account: CloudApiAccount,
  { subscribe, address }: { subscribe: boolean; address?: WebhookAddress | undefined },
): Promise<Verified | Unverified> {
  const described = await cloudApi.describeNumber(account)
  if (!('ok' in described)) return unverified(described, account)
  const facts = described.ok
  if (!subscribe) return { facts }
  const subscribed = await cloudApi.subscribeApp(account, address)
  if ('ok' in subscribed) return { facts }
  const trouble = unverified(subscribed, account)
  return address === undefined ? trouble : { facts, webhooks: trouble }
}

export function unverified(result: Exclude<CallResult<unknown>, { ok: unknown }>, account: CloudApiAccount): Unverified {
  if ('unreachable' in result) {
    const title = 'Meta did not answer'
    const detail = `${title} when asked about the number ${account.phoneNumberId} of the account ${account.wabaId}. Try again in a moment.`
    return { refused: 'provider_unreachable', title, detail }
  }
  const { passing, title, detail } = explainCheck(result.error, account)
  return { refused: passing ? 'provider_unreachable' : 'credentials_refused', title, detail, providerError: result.error }
}
