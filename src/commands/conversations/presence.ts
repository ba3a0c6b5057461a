import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { channel } from '../../domain/channel/channel.ts'
import { explain } from '../../domain/conversation/provider-errors.ts'
import type { Clock } from '../../domain/kernel/clock.ts'
import { sendingPolicy } from '../../domain/tenant/sending-settings.ts'
import { tenant } from '../../domain/tenant/tenant.ts'
import type { Directory } from '../directory/directory.ts'
import type { Commands } from '../kernel/execute.ts'
import type { CloudApi, ProviderError } from '../ports/cloud-api.ts'

/** Something the customer wrote, as the provider knows it. */
export type SeenMessage = { readonly tenantId: string; readonly channelId: string; readonly conversationId: string; readonly providerId: string }

/**
 * What the customer sees of us besides messages. Best effort and never waited for: it is worth nothing a minute later, so nothing of it is stored,
 * repeated or in the way of a request.
 */
export type Presence = {
  /** The ticks turn blue, up to this message. */
  readonly read: (message: SeenMessage) => void
  /** "is typing", for 25 seconds or until the answer. Meta shows it only together with the read mark. */
  readonly typing: (message: SeenMessage) => void
}

type Deps = {
  readonly commands: Commands
  readonly directory: Pick<Directory, 'channelOf' | 'accountOf'>
  readonly cloudApi: Pick<CloudApi, 'markRead'>
  readonly clock: Clock
  /** Between two calls for one conversation. */
  readonly everyMs?: number
  /** Calls under way; what comes beyond that is left out. */
  readonly atOnce?: number
}

type Told = { at: number; providerId: string; next?: NodeJS.Timeout }

/** Per conversation QUIET → TOLD (a pause, in which the last wish is remembered) → that wish is told, if it says anything new → QUIET. */
export function createPresence({ commands, directory, cloudApi, clock, everyMs = 3_000, atOnce = 32 }: Deps): Presence {
  const told = new LRUCache<string, Told>({ max: 10_000, dispose: ({ next }) => clearTimeout(next) })
  let underWay = 0

  function wish(message: SeenMessage, typing: boolean): void {
    const key = `${message.tenantId} ${message.conversationId}`
    const last = told.get(key)
    const now = clock().getTime()
    if (last !== undefined && !typing && last.providerId === message.providerId) return
    if (last !== undefined && now - last.at < everyMs) {
      clearTimeout(last.next)
      last.next = setTimeout(() => wish(message, typing), everyMs - (now - last.at)).unref()
      return
    }
    if (underWay >= atOnce) return
    clearTimeout(last?.next)
    told.set(key, { at: now, providerId: message.providerId })
    underWay++
    tell(message, typing)
      // Best effort: see above.
      .catch(() => undefined)
      .finally(() => underWay--)
  }

  async function tell({ tenantId, channelId, providerId }: SeenMessage, typing: boolean): Promise<void> {
    // Refused credentials stay refused until somebody gives new ones.
    if (directory.channelOf(tenantId, channelId)?.status !== 'connected') return
    const { state } = await commands.load(tenant, tenantId, tenantId)
    if (!sendingPolicy(state.settings).readReceipts) return
    const account = await directory.accountOf(tenantId, channelId)
    if (account === undefined) return
    const result = await cloudApi.markRead(account, providerId, typing)
    if ('error' in result) await refused(tenantId, channelId, result.error)
  }

  /** The token is known to be bad from here on, before a message has to find out. */
  async function refused(tenantId: string, channelId: string, { code, status }: ProviderError): Promise<void> {
    const { class: kind, title, explanation } = explain(code, status)
    if (kind !== 'credentials') return
    const commandId = randomUUID()
    const by = { kind: 'process', id: 'presence' } as const
    const context = { tenantId, actor: by, commandId, correlationId: commandId, causationId: commandId, at: clock() }
    const error = { code: `provider_${code}`, title, detail: explanation }
    await commands.execute(channel, channelId, { type: 'recordFailedCheck', error, credentials: true }, context)
  }

  return { read: (message) => wish(message, false), typing: (message) => wish(message, true) }
}
