import type { CommandContext } from '../../domain/kernel/context.ts'
import { later, start, type Position } from '../../domain/kernel/position.ts'
import { template, templateId } from '../../domain/template/template.ts'
import { atMost } from '../kernel/at-most.ts'
import { accountOfWaba } from './account-of-waba.ts'
import { end, readList, takeOver, type FetchDeps } from './fetch-template.ts'
import { providerRefusal, type ProviderRefusal } from './refusals.ts'

/** What one account came to. */
export type SyncedAccount = { readonly wabaId: string } & (
  | { readonly templates: number; readonly changed: number; readonly removed: number }
  | ProviderRefusal
  | { readonly refused: 'channel_not_connected' }
)

export type SyncTemplates = (
  wish: { readonly channelId?: string | undefined },
  context: CommandContext,
) => Promise<{ readonly accounts: readonly SyncedAccount[]; readonly position: Position | undefined } | { readonly missing: true }>

export type SyncDeps = FetchDeps & {
  /** The templates of an account that are known here, as far as the read model is: what Meta does not list any more is among them. */
  readonly known: (tenantId: string, wabaId: string) => Promise<readonly string[]>
}

/** Streams written at once. */
const lanes = 20

/** Brings what is known of a tenant's templates in line with Meta's lists: of one channel's account, or of all of them. May be repeated at will. */
export function createSyncTemplates(deps: SyncDeps): SyncTemplates {
  const { commands, api, directory, clock, known } = deps

  async function syncAccount(wabaId: string, context: CommandContext): Promise<{ account: SyncedAccount; position?: Position }> {
    const credentials = await accountOfWaba(directory, context.tenantId, wabaId)
    if (credentials === undefined) return { account: { wabaId, refused: 'channel_not_connected' } }
    const at = clock()
    const before = await known(context.tenantId, wabaId)
    const list = await readList(api, credentials)
    if (!('ok' in list)) return { account: { wabaId, ...providerRefusal(list) } }
    const { templates, whole } = list.ok
    const listed = new Set(templates.map((one) => templateId(context.tenantId, one)))
    const gone = whole ? before.filter((id) => !listed.has(id)) : []
    const changes = await atMost(lanes, templates, async (one) => takeOver(commands, one, at, context))
    const ends = await atMost(lanes, gone, async (id) => end(commands, id, at, context))
    const positions = await atMost(lanes, [...listed, ...gone], async (id) => (await commands.load(template, context.tenantId, id)).position)
    const account = { wabaId, templates: templates.length, changed: changes.filter(Boolean).length, removed: ends.filter(Boolean).length }
    return { account, position: positions.reduce(later, start) }
  }

  return async ({ channelId }, context) => {
    const channels = directory.channelsOf(context.tenantId).filter((channel) => channelId === undefined || channel.channelId === channelId)
    if (channelId !== undefined && channels.length === 0) return { missing: true }
    const wabas = [...new Set(channels.map(({ wabaId }) => wabaId))]
    const done = await atMost(2, wabas, async (wabaId) => syncAccount(wabaId, context))
    const positions = done.flatMap(({ position }) => position ?? [])
    return { accounts: done.map(({ account }) => account), position: positions.length === 0 ? undefined : positions.reduce(later, start) }
  }
}
