import { createRaiseAlert, createResolveAlert, createSettleAlert } from '../commands/alerts/alerts.ts'
import { createAddChannel } from '../commands/channels/add-channel.ts'
import { createChangeChannel, createDisconnectChannel } from '../commands/channels/change-channel.ts'
import { createConnectChannel, createTestChannel } from '../commands/channels/check-channel.ts'
import { createChangeProfile, createReadProfile } from '../commands/channels/profile.ts'
import { createRemoveChannel } from '../commands/channels/remove-channel.ts'
import { createSyncPhone } from '../commands/channels/sync-phone.ts'
import { createWebhookAddressOf } from '../commands/channels/webhooks.ts'
import { createFindContact } from '../commands/contacts/find-contact.ts'
import { createHearOfContact } from '../commands/contacts/hear-of-contact.ts'
import { createMeetContact, type MeetContact } from '../commands/contacts/meet-contact.ts'
import { createInbox } from '../commands/conversations/inbox.ts'
import { createPresence } from '../commands/conversations/presence.ts'
import { createHandOver } from '../commands/deliveries/hand-over.ts'
import { createReceiveDelivery } from '../commands/deliveries/receive-delivery.ts'
import { createReplayDelivery } from '../commands/deliveries/replay-delivery.ts'
import { createReplays } from '../commands/deliveries/replays.ts'
import { createDirectory, type Directory } from '../commands/directory/directory.ts'
import { createDryStore, createDryVault } from '../commands/kernel/dry-run.ts'
import { createCommands, type Commands } from '../commands/kernel/execute.ts'
import { createCheckMedia } from '../commands/media/check-media.ts'
import { createResolveMedia } from '../commands/media/resolve-media.ts'
import { createUploadMedia } from '../commands/media/upload-media.ts'
import type { CloudApi } from '../commands/ports/cloud-api.ts'
import type { ProfilesApi } from '../commands/ports/profiles-api.ts'
import type { CoexistenceApi } from '../commands/ports/coexistence-api.ts'
import type { MediaApi } from '../commands/ports/media-api.ts'
import type { TemplatesApi } from '../commands/ports/templates-api.ts'
import type { VoiceConverter } from '../commands/ports/voice-converter.ts'
import { createApplyItems } from '../commands/processes/intake/apply-items.ts'
import { createHandleDeliveries } from '../commands/processes/intake/handle-deliveries.ts'
import { createIntakeMemory, type IntakeMemory } from '../commands/processes/intake/memory.ts'
import { createHearNews } from '../commands/processes/intake/news/hear-news.ts'
import { createIssueApiKey, createRevokeApiKey } from '../commands/tenants/api-keys.ts'
import { createAdoptDefault } from '../commands/templates/adopt-default.ts'
import { createCheckTemplate } from '../commands/templates/check-template.ts'
import { createDeleteTemplate } from '../commands/templates/delete-template.ts'
import { createEditTemplate } from '../commands/templates/edit-template.ts'
import { createFetchTemplate } from '../commands/templates/fetch-template.ts'
import { createHearTemplateNews } from '../commands/templates/hear-template-news.ts'
import { createSubmitTemplate } from '../commands/templates/submit-template.ts'
import { createSyncTemplates } from '../commands/templates/sync-templates.ts'
import { createTenantCreation } from '../commands/tenants/create-tenant.ts'
import { createGovernTenant } from '../commands/tenants/govern-tenant.ts'
import type { Clock } from '../domain/kernel/clock.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import type { Vault } from '../domain/kernel/vault.ts'
import { tenantQueries } from '../postgres/queries.ts'
import { inTransaction } from '../postgres/transaction.ts'
import { templateIdsOf } from '../projections/templates/queries.ts'
import type { Storage } from './storage.ts'

export type UseCases = ReturnType<typeof createUseCases>

/** Every wish that Recado can fulfil, wired to what it needs. */
export function createUseCases({
  storage,
  cloudApi,
  publicUrl,
  mediaApi,
  templatesApi,
  converter,
  clock,
  onFailed,
  trusting,
}: {
  storage: Storage
  cloudApi: CloudApi & CoexistenceApi & ProfilesApi
  /** Where the outside reaches us. */
  publicUrl: string
  mediaApi: MediaApi
  templatesApi: TemplatesApi
  converter: VoiceConverter
  clock: Clock
  onFailed: (error: unknown) => void
  /** See `createAddChannel`. */
  trusting: boolean
}) {
  const { store, vault, workerPool, mediaStore } = storage
  const commands: Commands = createCommands({ store, vault })
  const directory: Directory = createDirectory({ store, vault, clock, onFailed })
  const meetContact = createMeetContact({ commands, vault })
  const memory = createIntakeMemory(workerPool)
  const raiseAlert = createRaiseAlert({ commands })
  const settleAlert = createSettleAlert({ commands })
  const templates = createTemplateUseCases({ commands, directory, clock, api: templatesApi, storage })
  const { handle, handOver } = createIntakeUseCases({ store, vault, commands, memory, directory, clock, meetContact })
  const webhookAddressOf = createWebhookAddressOf({ directory, vault, publicUrl })
  const channels = { commands, cloudApi, profiles: cloudApi, directory, vault, clock, webhookAddressOf }
  const removeChannel = createRemoveChannel(channels)
  return {
    commands,
    directory,
    memory,
    handle,
    handOver,
    raiseAlert,
    settleAlert,
    resolveAlert: createResolveAlert({ commands }),
    inbox: createInbox({ commands, meetContact, findContact: createFindContact({ commands, vault }), checkTemplate: templates.checkTemplate }),
    presence: createPresence({ commands, directory, cloudApi, clock }),
    replays: createReplays({ commands, store, pool: workerPool }),
    receive: createReceiveDelivery({ store, vault, routes: directory, clock }),
    replay: createReplayDelivery({
      store,
      vault,
      handle,
      rehearse() {
        const dry = createDryStore(store)
        const dryVault = createDryVault(vault)
        const dryCommands = createCommands({ store: dry.store, vault: dryVault, cacheSize: 1_000 })
        const parts = { store: dry.store, vault: dryVault, commands: dryCommands, memory: createIntakeMemory(workerPool), directory, clock }
        const tryOut = createIntakeUseCases({ ...parts, meetContact: createMeetContact({ ...parts, cacheSize: 1_000 }) })
        return { handle: tryOut.handle, appended: dry.appended }
      },
      remember: async ({ early, parked }) =>
        inTransaction(workerPool, async (client) =>
          memory.write(client, {
            outgoing: [],
            early,
            earlyDone: [],
            parked: parked.flatMap(({ tenantId, deliveryId, addresses }) => addresses.map((address) => ({ tenantId, deliveryId, address }))),
            opened: [],
            unparked: [],
          }),
        ),
    }),
    uploadMedia: createUploadMedia({ commands, vault, store: mediaStore, canConvert: converter.available }),
    checkMedia: createCheckMedia({ commands, canConvert: converter.available }),
    resolveMedia: createResolveMedia({ commands, vault, store: mediaStore, mediaApi, converter, clock }),
    ...templates,
    createTenant: createTenantCreation({ commands, vault, directory }),
    governTenant: createGovernTenant({ commands, directory, removeChannel }),
    issueApiKey: createIssueApiKey({ commands, vault, directory }),
    revokeApiKey: createRevokeApiKey({ commands, directory }),
    addChannel: createAddChannel({ ...channels, trusting }),
    changeChannel: createChangeChannel(channels),
    disconnectChannel: createDisconnectChannel(channels),
    removeChannel,
    testChannel: createTestChannel(channels),
    connectChannel: createConnectChannel(channels),
    readProfile: createReadProfile(channels),
    changeProfile: createChangeProfile(channels),
    syncPhone: createSyncPhone({ cloudApi, directory }),
  }
}

type IntakeParts = {
  store: EventStore
  vault: Vault
  commands: Commands
  memory: IntakeMemory
  directory: Directory
  clock: Clock
  meetContact: MeetContact
}

/** From deliveries to commands: on the real log, or on one that keeps nothing. */
function createIntakeUseCases({ store, vault, commands, memory, directory, clock, meetContact }: IntakeParts) {
  const raiseAlert = createRaiseAlert({ commands })
  const settleAlert = createSettleAlert({ commands })
  const hearOfContact = createHearOfContact({ commands, vault, meetContact })
  const handOver = createHandOver({ store, vault, routes: directory, clock })
  const templates = createHearTemplateNews({ commands, raiseAlert, settleAlert })
  const applyItems = createApplyItems({
    commands,
    meetContact,
    routes: directory,
    memory,
    handlers: {
      contact: async ({ item }, context) => void (await hearOfContact(item.person, item.news, context)),
      news: createHearNews({ commands, vault, directory, raiseAlert, settleAlert, templates }),
    },
  })
  return { handOver, handle: createHandleDeliveries({ store, vault, directory, handOver, applyItems }) }
}

type TemplateParts = { commands: Commands; directory: Directory; clock: Clock; api: TemplatesApi; storage: Storage }

function createTemplateUseCases({ storage, ...parts }: TemplateParts) {
  const queries = tenantQueries(storage.apiPool)
  const known = async (tenantId: string, wabaId: string, name?: string) => templateIdsOf(queries, tenantId, { wabaId, name })
  const fetchTemplate = createFetchTemplate(parts)
  const deps = { ...parts, known, fetchTemplate }
  const submitTemplate = createSubmitTemplate(deps)
  return {
    fetchTemplate,
    submitTemplate,
    editTemplate: createEditTemplate(deps),
    deleteTemplate: createDeleteTemplate(deps),
    syncTemplates: createSyncTemplates(deps),
    adoptDefault: createAdoptDefault({ submitTemplate }),
    checkTemplate: createCheckTemplate(deps),
  }
}
