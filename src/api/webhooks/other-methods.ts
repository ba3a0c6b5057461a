import type { Express } from 'express'
import { problem } from '../http/problem.ts'

/** Where webhooks come in. `webhookFront` takes them before Express sees them, so that other methods are all that is left here. */
const addresses = ['/webhooks/meta', '/webhooks/meta/:hook', '/api/whatsapp/webhook']

/** A method that these addresses do not have is 405 with `Allow`, as under every other address of the API. */
export function refuseOtherMethods(app: Express): void {
  for (const address of addresses) {
    app.all(address, () => {
      throw problem('method_not_allowed', { headers: { Allow: 'GET, POST' } })
    })
  }
}
