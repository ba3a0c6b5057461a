import { z } from 'zod'
import type { CloudApiAccount } from '../../commands/ports/cloud-api.ts'
import type { CoexistenceApi } from '../../commands/ports/coexistence-api.ts'
import type { PhoneSync } from '../../domain/channel/events.ts'
import type { Exchange } from './exchange.ts'
import { failure, isSuccess } from './outcome.ts'

const syncTypes = { contacts: 'smb_app_state_sync', history: 'history' } as const satisfies Record<PhoneSync, string>
const answered = z.object({ request_id: z.string() })

/** `POST /{phone number}/smb_app_data`. */
export const coexistenceCalls = ({
  post,
}: {
  post: (account: CloudApiAccount, path: string, body: unknown) => Promise<Exchange>
}): CoexistenceApi => ({
  async requestSync(account, what) {
    const body = { messaging_product: 'whatsapp', sync_type: syncTypes[what] }
    const result = await post(account, `/${encodeURIComponent(account.phoneNumberId)}/smb_app_data`, body)
    if (!('answer' in result) || !isSuccess(result.answer)) return failure(result)
    const requestId = requestIdIn(result.answer.body)
    return { ok: requestId === undefined ? {} : { requestId } }
  },
})

/** It was accepted, whatever the body says. */
function requestIdIn(body: string): string | undefined {
  try {
    return answered.safeParse(JSON.parse(body)).data?.request_id
  } catch {
    return undefined
  }
}
