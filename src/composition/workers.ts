import type { Logger } from 'pino'
import { createErasedSubjects } from '../adapters/keyring/erased-subjects.ts'
import { createKeyDestroyer } from '../adapters/keyring/key-destroyer.ts'
import { purgeKeptAnswers } from '../api/http/kept-answers.ts'
import { createParkedAlarm } from '../commands/alerts/parked-alarm.ts'
import { createAddressOf } from '../commands/contacts/address-of.ts'
import { createStopMarketing } from '../commands/contacts/stop-marketing.ts'
import type { CloudApi } from '../commands/ports/cloud-api.ts'
import type { MediaApi } from '../commands/ports/media-api.ts'
import type { IntakeWatch } from '../commands/processes/intake/progress.ts'
import { runChannelRefresh } from '../commands/processes/channels/refresh.ts'
import { createChannelTrouble } from '../commands/processes/channels/trouble.ts'
import { runChannelWatch } from '../commands/processes/channels/watch.ts'
import { createHistoryDeliveries } from '../commands/processes/intake/history-deliveries.ts'
import { runIntake } from '../commands/processes/intake/intake.ts'
import { createUnparkDeliveries } from '../commands/processes/intake/unpark-deliveries.ts'
import { runUnknownOutcomes } from '../commands/processes/sender/unknown-outcomes.ts'
import { startSender, type Sender } from '../commands/processes/sender/sender.ts'
import { runMedia } from '../commands/processes/media/media.ts'
import { runReplayer } from '../commands/processes/replayer/replayer.ts'
import { runRetention } from '../commands/processes/retention/retention.ts'
import { runTemplateKeeper } from '../commands/processes/templates/keeper.ts'
import { runWaker } from '../commands/processes/waker.ts'
import type { Clock } from '../domain/kernel/clock.ts'
import { channel } from '../domain/channel/channel.ts'
import type { EventSource } from '../domain/kernel/event-source.ts'
import { dueSnoozes } from '../projections/conversations/due-snoozes.ts'
import type { AppliedPositions } from '../projections/engine/applied-positions.ts'
import { followDiscards } from '../projections/engine/discards-of-log.ts'
import { runProjection } from '../projections/engine/live.ts'
import { runRebuilds } from '../projections/engine/run-rebuilds.ts'
import { operatorQueries } from '../projections/engine/operator.ts'
import { storedFilesOf } from '../projections/media/files-of.ts'
import { unsettledTemplates } from '../projections/templates/queries.ts'
import { countStuckDeliveries, stuckDeliveries } from '../projections/deliveries/queries.ts'
import { tenantsWithSetting } from '../projections/tenants/queries.ts'
import { projections } from '../projections/index.ts'
import type { Publishing } from './publishing.ts'
import type { Storage } from './storage.ts'
import type { UseCases } from './use-cases.ts'

const hourMs = 3_600_000

/** Where much of the work is: these are shared out among several processes by themselves, so that nobody gets all of them. */
export const sharedOut: readonly (readonly string[])[] = [['intake', 'outbox', 'messages@', 'conversations@', 'kafka']]

export type Workers = { readonly done: Promise<unknown>; readonly sender: Sender }

/** Read models and processes, each under its lease, until `signal`; `done` when all of them have wound up. */
export function startWorkers({
  storage,
  source,
  useCases,
  cloudApi,
  mediaApi,
  applied,
  intake,
  publishing,
  owner,
  clock,
  log,
  signal,
  onFailed,
}: {
  storage: Storage
  /** Of read models; processes follow the log itself. */
  source: EventSource
  useCases: UseCases
  cloudApi: CloudApi
  mediaApi: MediaApi
  applied: AppliedPositions
  intake: IntakeWatch
  publishing: Publishing | undefined
  owner: string
  clock: Clock
  log: Logger
  signal: AbortSignal
  onFailed: (error: unknown) => void
}): Workers {
  const { store, vault, workerPool, ownerPool } = storage
  const { commands, directory, memory, handle, handOver, inbox } = useCases
  const addressOf = createAddressOf({ store, vault })
  const history = createHistoryDeliveries({ pool: workerPool, store, memory, handle, log: log.child({ process: 'history' }) })
  const unpark = createUnparkDeliveries({
    store,
    directory,
    memory,
    handle,
    handOver,
    pool: workerPool,
    log: log.child({ process: 'intake' }),
  })

  const { raiseAlert, settleAlert } = useCases
  const trouble = createChannelTrouble({ commands, raiseAlert, settleAlert, clock, log })
  const sender = startSender({
    store,
    commands,
    pool: workerPool,
    cloudApi,
    vault,
    owner,
    signal,
    clock,
    log: log.child({ process: 'sender' }),
    async accountOf(tenantId, channelId) {
      const entry = directory.channelOf(tenantId, channelId)
      if (entry === undefined || entry.status === 'disconnected') return undefined
      const account = await directory.accountOf(tenantId, channelId)
      if (account === undefined) return undefined
      const { state } = await commands.load(channel, tenantId, channelId)
      return { ...account, throughput: state.facts.throughput, onBusinessApp: state.facts.onBusinessApp }
    },
    recipientOf: addressOf,
    media: useCases.resolveMedia,
    onChannelTrouble: trouble.heard,
    onChannelWell: trouble.well,
  })
  const queries = operatorQueries(workerPool)
  const onParked = createParkedAlarm({ raiseAlert, clock, onError: (error) => log.error({ err: error }, 'nobody could be told of parked events') })
  const discards = followDiscards({ pool: workerPool, store, signal, log: log.child({ process: 'discards' }) })
  const running = [
    discards.done,
    ...projections.map(async (projection) => {
      // A row that is written from the beginning has to know what is no part of it.
      await discards.known
      return runProjection({ projection, store: source, pool: workerPool, ownerPool, owner, signal, log, onApplied: applied.report, onParked })
    }),
    runRebuilds({
      projections,
      store,
      scan: storage.scan,
      threads: storage.threads,
      index: storage.index,
      pool: workerPool,
      copyPool: storage.copyPool,
      owner,
      signal,
      log: log.child({ process: 'rebuilds' }),
    }),
    runIntake(
      {
        store,
        pool: workerPool,
        memory,
        handle,
        unpark,
        history,
        stopMarketing: createStopMarketing({ commands }),
        owner,
        log: log.child({ process: 'intake' }),
      },
      { signal, onApplied: intake.report },
    ),
    runMedia(
      {
        events: store,
        commands,
        vault,
        store: storage.mediaStore,
        mediaApi,
        accountOf: directory.accountOf,
        erased: createErasedSubjects(workerPool),
        filesOf: async (of, before) => storedFilesOf(queries, of, before),
        pool: workerPool,
        jobsPool: storage.jobsPool,
        owner,
        clock,
        log: log.child({ process: 'media' }),
      },
      signal,
    ),
    runUnknownOutcomes({ pool: workerPool, commands, inbox, clock, log: log.child({ process: 'unknown-outcomes' }), signal }),
    runReplayer({
      store,
      pool: workerPool,
      commands,
      replay: useCases.replay,
      find: (...wanted) => stuckDeliveries(queries, ...wanted),
      count: (...wanted) => countStuckDeliveries(queries, ...wanted),
      shown: (position) => applied.waitFor(['deliveries'], position, 1_000),
      owner,
      clock,
      log: log.child({ process: 'replayer' }),
      signal,
    }),
    runRetention({
      pool: workerPool,
      bodies: storage.rawBodies,
      keys: createKeyDestroyer(workerPool),
      commands,
      candidates: async () => tenantsWithSetting(queries, 'retention'),
      clock,
      owner,
      log: log.child({ process: 'retention' }),
      signal,
    }),
    runWaker({ inbox, due: async (now) => dueSnoozes(queries, now), clock, log: log.child({ process: 'waker' }), signal }),
    runTemplateKeeper({
      fetchTemplate: useCases.fetchTemplate,
      unsettled: async (submittedBefore) => unsettledTemplates(queries, submittedBefore),
      clock,
      log: log.child({ process: 'templates' }),
      signal,
    }),
    runChannelWatch({
      store,
      pool: workerPool,
      raiseAlert,
      settleAlert,
      owner,
      log: log.child({ process: 'channel-watch' }),
      signal,
    }),
    runChannelRefresh({
      pool: workerPool,
      channels: directory.allChannels,
      testChannel: useCases.testChannel,
      clock,
      owner,
      log: log.child({ process: 'channel-refresh' }),
      signal,
    }),
    sender.done,
    ...(publishing?.run({ owner, signal }) ?? []),
  ]
  const purging = setInterval(() => {
    Promise.all([purgeKeptAnswers(workerPool), memory.purge()]).catch((error: unknown) =>
      log.warn({ err: error }, 'what is too old could not be purged'),
    )
  }, hourMs)
  signal.addEventListener('abort', () => clearInterval(purging))
  // None of these ends by itself while the program runs: whichever does, the program must not go on half alive.
  for (const one of running) one.then(() => (signal.aborted ? undefined : onFailed(new Error('a worker ended'))), onFailed)
  return { sender, done: Promise.allSettled(running) }
}
