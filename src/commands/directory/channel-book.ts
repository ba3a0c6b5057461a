import { channelSubject } from '../../domain/channel/channel.ts'
import type { ChannelEvent } from '../../domain/channel/events.ts'
import type { Clock } from '../../domain/kernel/clock.ts'
import { fromStored } from '../../domain/kernel/codec.ts'
import type { RecordedEvent } from '../../domain/kernel/envelope.ts'
import { sealedText, type Secret } from '../../domain/kernel/secret.ts'
import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import type { CloudApiAccount } from '../ports/cloud-api.ts'
import { hookOf } from './hook.ts'

export type ChannelEntry = {
  readonly tenantId: string
  readonly channelId: string
  readonly name: string
  readonly phoneNumberId: string
  readonly wabaId: string
  /** `disconnected` on purpose; `degraded`: the provider refuses the credentials. */
  readonly status: 'pending' | 'connected' | 'degraded' | 'disconnected'
  /** When it was last known to work. */
  readonly connectedAt?: Date
  /** Set when the channel has a Meta app of its own. */
  readonly hook: string | undefined
}
export type HookApp = { readonly tenantId: string; readonly channelId: string; readonly secrets: readonly string[] }

/** A ciphertext and the event and field it is bound to; `until` for a secret that was replaced and is accepted a little longer. */
type Sealed = { readonly text: string; readonly eventId: string; readonly field: string; readonly until?: number }
/** Changed in place: an opened account belongs to the entry and not to a copy of it. */
type Entry = Omit<ChannelEntry, 'hook'> & {
  hook: string | undefined
  accessToken: Sealed
  appSecrets: readonly Sealed[]
  account: Promise<CloudApiAccount | undefined> | undefined
}

/** Meta signs with the old secret until its switch-over is everywhere; a day is generous, for ever would keep a leaked one valid. */
const oldSecretMs = 24 * 3_600_000

export type ChannelBook = {
  readonly take: (event: RecordedEvent) => void
  /** After a page: computes the hooks of new channels, which needs their tenants' keys. When it fails, it is to be called again. */
  readonly settle: () => Promise<void>
  readonly channelOf: (tenantId: string, channelId: string) => ChannelEntry | undefined
  readonly channelsOf: (tenantId: string) => readonly ChannelEntry[]
  /** Of the whole installation. */
  readonly all: () => readonly ChannelEntry[]
  readonly channelOfNumber: (phoneNumberId: string) => ChannelEntry | undefined
  readonly tenantsOfWaba: (wabaId: string) => readonly string[]
  readonly accountOf: (tenantId: string, channelId: string) => Promise<CloudApiAccount | undefined>
  readonly appOfHook: (hook: string) => Promise<HookApp | undefined>
}

/** Channels by id, number, business account and hook. Their credentials stay sealed until they are asked for. */
export function createChannelBook({ vault, clock }: { vault: Vault; clock: Clock }): ChannelBook {
  const channels = new Map<string, Entry>()
  const byTenant = new Map<string, Set<string>>()
  const byNumber = new Map<string, string>()
  const byWaba = new Map<string, Set<string>>()
  const byHook = new Map<string, string>()
  const hookless = new Set<string>()

  const sealed = (secret: Secret, { id }: RecordedEvent, field: string): Sealed => ({ text: sealedText(secret), eventId: id, field })

  async function open(entry: Entry, { text, eventId, field }: Sealed): Promise<string | undefined> {
    const { tenantId, channelId } = entry
    const opened = await vault.open({ tenantId, subject: channelSubject(channelId), eventId, field }, text)
    return 'text' in opened ? opened.text : undefined
  }

  function added(event: Extract<ChannelEvent, { type: 'ChannelAdded' }>, at: RecordedEvent): void {
    const { tenantId, id: channelId } = at.stream
    const { name, phoneNumberId, wabaId, appSecret } = event
    const accessToken = sealed(event.accessToken, at, 'accessToken')
    const appSecrets = appSecret === undefined ? [] : [sealed(appSecret, at, 'appSecret')]
    const known = { tenantId, channelId, name, phoneNumberId, wabaId, status: 'pending' as const }
    channels.set(channelId, { ...known, hook: undefined, accessToken, appSecrets, account: undefined })
    if (appSecret !== undefined) hookless.add(channelId)
    byNumber.set(phoneNumberId, channelId)
    join(byTenant, tenantId, channelId)
    join(byWaba, wabaId, channelId)
  }

  function removed(entry: Entry): void {
    const { channelId, tenantId, phoneNumberId, wabaId, hook } = entry
    channels.delete(channelId)
    hookless.delete(channelId)
    // By now the number may be another channel's.
    if (byNumber.get(phoneNumberId) === channelId) byNumber.delete(phoneNumberId)
    leave(byTenant, tenantId, channelId)
    leave(byWaba, wabaId, channelId)
    if (hook !== undefined) byHook.delete(hook)
  }

  function credentials(entry: Entry, event: Extract<ChannelEvent, { type: 'ChannelCredentialsChanged' }>, at: RecordedEvent): void {
    const { channelId } = entry
    const accessToken = event.accessToken === undefined ? entry.accessToken : sealed(event.accessToken, at, 'accessToken')
    const until = at.recordedAt.getTime() + oldSecretMs
    const appSecrets =
      event.appSecret === undefined
        ? entry.appSecrets
        : [sealed(event.appSecret, at, 'appSecret'), ...entry.appSecrets.slice(0, 1).map((old) => ({ ...old, until }))]
    Object.assign(entry, { accessToken, appSecrets, account: undefined })
    if (appSecrets.length > 0 && entry.hook === undefined) hookless.add(channelId)
  }

  function seen(channelId: string | undefined): Entry | undefined {
    return channelId === undefined ? undefined : channels.get(channelId)
  }
  const own = (tenantId: string, channelId: string): Entry | undefined => {
    const entry = channels.get(channelId)
    return entry?.tenantId === tenantId ? entry : undefined
  }

  return {
    take(stored) {
      const event = fromStored<ChannelEvent>(stored)
      if (event.type === 'ChannelAdded') return added(event, stored)
      const entry = own(stored.stream.tenantId, stored.stream.id)
      if (entry === undefined) return
      const change = (part: Partial<Pick<Entry, 'name' | 'status' | 'connectedAt'>>): void => void Object.assign(entry, part)
      switch (event.type) {
        case 'ChannelRenamed':
          return change({ name: event.name })
        case 'ChannelCredentialsChanged':
          return credentials(entry, event, stored)
        case 'ChannelConnected':
          return change({ status: 'connected', connectedAt: stored.recordedAt })
        case 'ChannelCheckFailed':
          return event.credentials && entry.status !== 'disconnected' ? change({ status: 'degraded' }) : undefined
        case 'ChannelDisconnected':
          return change({ status: 'disconnected' })
        case 'ChannelNumberChanged':
        case 'ChannelProfileChanged':
        case 'ChannelSyncRequested':
        case 'ChannelSyncBegun':
        case 'ChannelSyncRefused':
          return undefined
        case 'ChannelRemoved':
          return removed(entry)
        default:
          event satisfies never
      }
    },
    async settle() {
      const entries = [...hookless].flatMap((channelId) => channels.get(channelId) ?? [])
      const tenants = [...new Set(entries.map(({ tenantId }) => tenantId))]
      const failures = new Map<string, unknown>()
      await Promise.all(tenants.map((tenantId) => vault.ensure(tenantId, []).catch((error: unknown) => failures.set(tenantId, error))))
      for (const entry of entries) {
        if (failures.has(entry.tenantId)) continue
        entry.hook = hookOf(vault, entry.tenantId, entry.channelId)
        byHook.set(entry.hook, entry.channelId)
        hookless.delete(entry.channelId)
      }
      // A tenant whose keys are broken has no hook until they are mended; nobody else's events wait for that.
      const passing = [...failures.values()].find((error) => !isBroken(error))
      if (passing !== undefined) throw passing
    },
    channelOf: own,
    channelsOf: (tenantId) => [...(byTenant.get(tenantId) ?? [])].flatMap((channelId) => channels.get(channelId) ?? []),
    all: () => [...channels.values()],
    channelOfNumber: (phoneNumberId) => seen(byNumber.get(phoneNumberId)),
    tenantsOfWaba: (wabaId) => [...new Set([...(byWaba.get(wabaId) ?? [])].flatMap((channelId) => channels.get(channelId)?.tenantId ?? []))],
    accountOf(tenantId, channelId) {
      const entry = own(tenantId, channelId)
      if (entry === undefined) return Promise.resolve(undefined)
      const { phoneNumberId, wabaId } = entry
      const account = (entry.account ??= open(entry, entry.accessToken).then((accessToken) =>
        accessToken === undefined ? undefined : { phoneNumberId, wabaId, accessToken },
      ))
      // A failure to open (the keyring's database is away) is not kept.
      account.catch(() => {
        if (entry.account === account) entry.account = undefined
      })
      return account
    },
    async appOfHook(hook) {
      const entry = seen(byHook.get(hook))
      if (entry === undefined) return undefined
      const now = clock().getTime()
      const valid = entry.appSecrets.filter(({ until }) => until === undefined || now < until)
      const secrets = (await Promise.all(valid.map((secret) => open(entry, secret)))).filter((secret) => secret !== undefined)
      return { tenantId: entry.tenantId, channelId: entry.channelId, secrets }
    },
  }
}

const isBroken = (error: unknown): boolean => error instanceof SealBroken || (error instanceof Error && error.cause instanceof SealBroken)

function join(sets: Map<string, Set<string>>, key: string, member: string): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(member))
}
function leave(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key)
  set?.delete(member)
  if (set?.size === 0) sets.delete(key)
}
