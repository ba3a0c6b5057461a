import { createRaiseAlert, createResolveAlert, createSettleAlert } from '../commands/alerts/alerts.ts'
import { createAddChannel } from '../commands/channels/add-channel.ts'
import { createChangeChannel, createDisconnectChannel } from '../commands/channels/change-channel.ts'
import { createConnectChannel, createTestChannel } from '../commands/channels/check-channel.ts'
import { createChangeProfile, createReadProfile } from '../commands/channels/profile.ts'
import { createRemoveChannel } from '../commands/channels/remove-channel.ts'
import { createSyncPhone } from '../commands/channels/sync-phone.ts'
import { createWebhookAddressOf } from '../commands/channels/webhooks.ts'
import { createFindContact } from '../commands/contacts/find-contact.ts'
import { createMeetContact } from '../commands/contacts/meet-contact.ts'
import { createInbox } from '../commands/conversations/inbox.ts'
import { createPresence } from '../commands/conversations/presence.ts'
import { createReceiveDelivery } from '../commands/deliveries/receive-delivery.ts'
import { createReplays } from '../commands/deliveries/replays.ts'
import { createDirectory, type Directory } from '../commands/directory/directory.ts'
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
import { createIntakeMemory } from '../commands/processes/intake/memory.ts'
import { createIssueApiKey, createRevokeApiKey } from '../commands/tenants/api-keys.ts'
import { createAdoptDefault } from '../commands/templates/adopt-default.ts'
import { createCheckTemplate } from '../commands/templates/check-template.ts'
import { createDeleteTemplate } from '../commands/templates/delete-template.ts'
import { createEditTemplate } from '../commands/templates/edit-template.ts'
import { createFetchTemplate } from '../commands/templates/fetch-template.ts'
import { createTemplateSamples } from '../commands/templates/samples.ts'
import { createSubmitTemplate } from '../commands/templates/submit-template.ts'
import { createSyncTemplates } from '../commands/templates/sync-templates.ts'
import { createTenantCreation } from '../commands/tenants/create-tenant.ts'
import { createGovernTenant } from '../commands/tenants/govern-tenant.ts'
import type { Clock } from '../domain/kernel/clock.ts'
import { tenantQueries } from '../postgres/queries.ts'
import { templateIdsOf } from '../projections/templates/queries.ts'
import { createIntakeUseCases, createReplay } from './intake.ts'
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
  const templates = createTemplateUseCases({ commands, directory, clock, api: templatesApi, mediaApi, storage })
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
    replay: createReplay({ store, vault, workerPool, memory, handle, directory, clock }),
    replays: createReplays({ commands, store, pool: workerPool }),
    receive: createReceiveDelivery({ store, routes: directory, clock }),
    uploadMedia: createUploadMedia({ commands, vault, store: mediaStore, canConvert: converter.available }),
    checkMedia: createCheckMedia({ commands, canConvert: converter.available }),
    resolveMedia: createResolveMedia({ commands, vault, store: mediaStore, mediaApi, converter, clock }),
    ...templates,
    createTenant: createTenantCreation({ commands, vault, directory }),
    governTenant: createGovernTenant({ commands, vault, directory, removeChannel }),
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
    syncPhone: createSyncPhone({ commands, cloudApi, directory }),
  }
}

type TemplateParts = { commands: Commands; directory: Directory; clock: Clock; api: TemplatesApi; mediaApi: MediaApi; storage: Storage }

function createTemplateUseCases({ storage, mediaApi, ...parts }: TemplateParts) {
  const { commands } = parts
  const samples = createTemplateSamples({ commands, vault: storage.vault, store: storage.mediaStore, mediaApi })
  const queries = tenantQueries(storage.apiPool)
  const known = async (tenantId: string, wabaId: string, name?: string) => templateIdsOf(queries, tenantId, { wabaId, name })
  const fetchTemplate = createFetchTemplate(parts)
  const deps = { ...parts, known, fetchTemplate, samples }
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
