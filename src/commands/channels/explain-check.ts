import { explain } from '../../domain/conversation/provider-errors.ts'
import type { CloudApiAccount, ProviderError } from '../ports/cloud-api.ts'

export type Explained = { readonly title: string; readonly detail: string; readonly passing: boolean }

const newToken =
  'Create a new access token for a system user (Meta Business settings → Users → System users → Generate token) with the permissions whatsapp_business_management and whatsapp_business_messaging, and store it with the channel.'
const access =
  'Give the system user of the token full control of the WhatsApp account (Meta Business settings → Accounts → WhatsApp accounts → People), and create the token with the permissions whatsapp_business_management and whatsapp_business_messaging.'

/**
 * Why connecting or checking a number failed, for the person who has to mend it: what is wrong, and where. The table of sending errors speaks to whoever
 * reads the inbox; here it is about ids, tokens and permissions. `passing`: nobody has to do anything but wait.
 */
export function explainCheck(error: ProviderError, { phoneNumberId, wabaId }: Pick<CloudApiAccount, 'phoneNumberId' | 'wabaId'>): Explained {
  const { code, status, message } = error
  const words = `${error.details ?? ''} ${message}`
  const said = (title: string, what: string): Explained => ({ title, detail: `${title}. ${what}`, passing: false })
  const ids = `Phone number id ${phoneNumberId}, account id ${wabaId}`

  if (code === 190 || (code === 0 && status === 401)) {
    if (/expired/i.test(words)) return said('The access token has expired', newToken)
    if (/(validating|cannot parse|malformed)/i.test(words)) return said('Meta does not know the access token', `Was it copied whole? ${newToken}`)
    return said('Meta does not accept the access token', newToken)
  }
  if (code === 3 || code === 10 || code === 131005 || (code >= 200 && code <= 299)) {
    return said('The access token lacks a permission for this account', `${ids}. ${access}`)
  }
  if (code === 33 && /is not one of/.test(message)) {
    const where = 'Both stand next to each other in WhatsApp Manager → API setup; take them from the same page.'
    return said('The number belongs to another WhatsApp account', `${ids}. ${where}`)
  }
  if (code === 33 || code === 100 || code === 803) {
    const where = 'They are ids from WhatsApp Manager → API setup and not the phone number itself.'
    return said('Meta knows no such number or account, or the token may not see it', `${ids}. ${where} If they are right: ${access}`)
  }
  if (code === 2200) {
    const check = 'Meta asked the webhook address of this channel and did not get the right answer.'
    return said(
      'Meta could not verify the webhook address',
      `${check} PUBLIC_URL has to be reachable from the internet by https. Meta says: ${words.trim()}`,
    )
  }
  const known = explain(code, status)
  return {
    title: known.title,
    detail: `${known.title} (${ids}). ${known.explanation}`,
    passing: known.class === 'retry' || known.class === 'backoff',
  }
}
