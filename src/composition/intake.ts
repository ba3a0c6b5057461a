import type { Pool } from 'pg'
import { createRaiseAlert, createSettleAlert } from '../commands/alerts/alerts.ts'
import { createHearOfContact } from '../commands/contacts/hear-of-contact.ts'
import { createMeetContact, type MeetContact } from '../commands/contacts/meet-contact.ts'
import { createHandOver } from '../commands/deliveries/hand-over.ts'
import { createReplayDelivery, type ReplayDelivery } from '../commands/deliveries/replay-delivery.ts'
import type { Directory } from '../commands/directory/directory.ts'
import { createDryStore, createDryVault } from '../commands/kernel/dry-run.ts'
import { createCommands, type Commands } from '../commands/kernel/execute.ts'
import { createHearReportedTrouble } from '../commands/processes/channels/reported-trouble.ts'
import { createApplyItems } from '../commands/processes/intake/apply-items.ts'
import { createHandleDeliveries, type HandleDeliveries } from '../commands/processes/intake/handle-deliveries.ts'
import { createIntakeMemory, type IntakeMemory } from '../commands/processes/intake/memory.ts'
import { createHearNews } from '../commands/processes/intake/news/hear-news.ts'
import { createHearTemplateNews } from '../commands/templates/hear-template-news.ts'
import type { Clock } from '../domain/kernel/clock.ts'
import type { EventStore } from '../domain/kernel/event-store.ts'
import type { Vault } from '../domain/kernel/vault.ts'
import { inTransaction } from '../postgres/transaction.ts'

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
export function createIntakeUseCases({ store, vault, commands, memory, directory, clock, meetContact }: IntakeParts) {
  const raiseAlert = createRaiseAlert({ commands })
  const settleAlert = createSettleAlert({ commands })
  const hearOfContact = createHearOfContact({ commands, vault, meetContact })
  const handOver = createHandOver({ store, routes: directory, clock })
  const templates = createHearTemplateNews({ commands, raiseAlert, settleAlert })
  const applyItems = createApplyItems({
    commands,
    meetContact,
    routes: directory,
    memory,
    handlers: {
      contact: async ({ item }, context) => void (await hearOfContact(item.person, item.news, context)),
      failedReport: createHearReportedTrouble({ commands, directory, raiseAlert, clock }),
      news: createHearNews({ commands, vault, directory, raiseAlert, settleAlert, templates }),
    },
  })
  return { handOver, handle: createHandleDeliveries({ store, directory, handOver, applyItems }) }
}

/** Doing deliveries again, in earnest and dry. */
export function createReplay({
  store,
  vault,
  workerPool,
  memory,
  handle,
  directory,
  clock,
}: {
  store: EventStore
  vault: Vault
  workerPool: Pool
  memory: IntakeMemory
  handle: HandleDeliveries
  directory: Directory
  clock: Clock
}): ReplayDelivery {
  return createReplayDelivery({
    store,
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
  })
}
