import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { createVoiceConverter } from './adapters/ffmpeg/voice-notes.ts'
import { createCloudApi } from './adapters/whatsapp-cloud/cloud-api.ts'
import { createTemplatesApi } from './adapters/whatsapp-cloud/templates.ts'
import { createMediaApi } from './adapters/whatsapp-cloud/media.ts'
import type { Feed } from './api/feed/feed.ts'
import type { DemoSession } from './api/pages/pages.ts'
import { createIntakeWatch } from './commands/processes/intake/progress.ts'
import { createHttp } from './composition/http.ts'
import { listen, notYet } from './composition/listen.ts'
import { countingSends } from './composition/counted-calls.ts'
import { watchInstallation } from './composition/installation-gauges.ts'
import { machineRoomOnly } from './composition/machine-room.ts'
import { watchFleet } from './composition/fleet-gauges.ts'
import { createMetrics } from './composition/metrics.ts'
import type { ProjectionSource } from './composition/projection-source.ts'
import type { Publishing, PublishingOptions } from './composition/publishing.ts'
import { openStorage, type Storage } from './composition/storage.ts'
import { createUseCases } from './composition/use-cases.ts'
import { sharedOut, startWorkers } from './composition/workers.ts'
import { defaultGraphUrl, type Config } from './config.ts'
import { operatorKey } from './keys.ts'
import { joinFleet, type Fleet } from './postgres/fleet.ts'
import { createAppliedNews, hearAppliedNews } from './projections/engine/applied-news.ts'
import { createAppliedPositions } from './projections/engine/applied-positions.ts'
import type { Applied } from './projections/engine/live.ts'
import { projections } from './projections/index.ts'

export type Recado = {
  readonly url: string
  readonly port: number
  readonly operatorKey: { readonly key: string; readonly file: string | undefined }
  readonly demo: DemoSession | undefined
  /** Stops taking requests, finishes what is under way, hands leases back, stops the embedded database. */
  readonly stop: () => Promise<void>
}

const drainMs = 5_000

/** Takes no new connection, answers what was asked, and sends clients of the feed away to come back with their position. */
async function drain(server: Server, feed: Feed): Promise<void> {
  // A client that always has a next request would keep its connection, and us, for as long as it has one.
  const closing = setInterval(() => server.closeIdleConnections(), 20)
  await Promise.race([
    Promise.all([feed.close(), new Promise((resolve) => server.close(resolve))]),
    new Promise((resolve) => setTimeout(resolve, drainMs).unref()),
  ])
  clearInterval(closing)
  server.closeAllConnections()
}

/**
 * The whole program, put together: the only place where adapters meet ports.
 * STARTING (listening, answers 503) → READY → STOPPING → STOPPED. `onFailed`: something that must run has ended; the program should stop.
 * `signal`: nobody needs the start any more, so what it only waits for is not waited for.
 */
export async function startRecado(
  config: Config,
  { log, signal, onFailed }: { log: Logger; signal: AbortSignal; onFailed: (error: unknown) => void },
): Promise<Recado> {
  const clock = (): Date => new Date()
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const operator = operatorKey(config)
  const metrics = createMetrics()
  /** Of what runs under leases: ends first, so that others have them while we still answer. */
  const working = new AbortController()
  const ending = new AbortController()
  let started = false
  let stopping = false
  const failed = (error: unknown): void => {
    if (!working.signal.aborted) onFailed(error)
  }

  const { server, port, serve } = await listen(config.http)
  // Only where there is a demo: an installation in earnest does not carry the simulator in its memory.
  const demoParts = config.demo ? await import('./composition/demo.ts') : undefined
  const world = demoParts?.createDemoWorld({ port, verifyToken: config.meta.verifyToken, log })
  let fleet: Fleet | undefined
  const cleanUp: (() => Promise<unknown>)[] = [async () => world?.close()]
  const stop = async (): Promise<void> => {
    stopping = true
    // First of all: what we let go is then taken by those who wait for it, and not kept for us. A database that is away is not waited for.
    await Promise.race([fleet?.leave(), new Promise((resolve) => setTimeout(resolve, 1_000).unref())])
    working.abort()
    if (started) await new Promise((resolve) => setTimeout(resolve, config.drainSeconds * 1_000))
    ending.abort()
    for (const step of cleanUp.toReversed()) await step().catch((error: unknown) => log.warn({ err: error }, 'stopping'))
  }

  try {
    const storage = await openStorage(config, { log, metrics, signal, onLeaving: failed })
    cleanUp.push(storage.close)
    const graph = { graphUrl: world?.graphUrl ?? config.meta.graphUrl ?? defaultGraphUrl, version: config.meta.graphVersion }
    const cloudApi = countingSends(metrics.registry)(createCloudApi(graph))
    cleanUp.push(cloudApi.close)
    const mediaApi = createMediaApi(graph)
    cleanUp.push(mediaApi.close)
    const templatesApi = createTemplatesApi(graph)
    cleanUp.push(templatesApi.close)
    const converter = createVoiceConverter({ program: config.media.ffmpeg })
    const useCases = createUseCases({
      storage,
      cloudApi,
      publicUrl: config.http.publicUrl,
      mediaApi,
      templatesApi,
      converter,
      clock,
      onFailed: failed,
      trusting: !config.production,
    })
    cleanUp.push(useCases.directory.close)
    const applied = createAppliedPositions({ projections, pool: storage.workerPool, store: storage.store })
    const others = (): boolean => (fleet?.members().length ?? 1) > 1
    const news = createAppliedNews({ pool: storage.workerPool, others })
    const report = (one: Applied): void => {
      applied.report(one)
      news.tell(one)
    }
    // Nobody else writes the embedded database's read models.
    if (config.database.url !== undefined) hearAppliedNews(storage.listenUrl, { heard: applied.heard, signal: ending.signal })
    const intake = createIntakeWatch({ pool: storage.workerPool, store: storage.store, clock })
    const publishing =
      config.kafka === undefined ? undefined : await openPublishing({ kafka: config.kafka, storage, applied, registry: metrics.registry, log })
    const source = await openSource(config, { storage, log })
    cleanUp.push(source.close)
    const workers = config.roles.includes('worker')
      ? startWorkers({
          storage,
          source,
          useCases,
          cloudApi,
          mediaApi,
          applied: { ...applied, report },
          intake,
          publishing,
          owner,
          clock,
          log,
          signal: working.signal,
          onFailed: failed,
        })
      : undefined
    fleet = await joinFleet({
      pool: storage.workerPool,
      owner,
      roles: config.roles,
      groups: sharedOut,
      onChange: (members) => log.info({ members: members.map((one) => ({ owner: one.owner, roles: one.roles })) }, 'processes of this installation'),
      onError: (error) => log.warn({ err: error }, 'the other processes could not be looked for'),
    })
    cleanUp.push(fleet.close)
    cleanUp.push(async () => workers?.done)
    await useCases.directory.ready()

    let demo: DemoSession | undefined
    const appSecrets = [...(world === undefined ? [] : [world.appSecret]), ...config.meta.appSecrets]
    const verifyToken = world?.verifyToken ?? config.meta.verifyToken ?? ''
    const http = createHttp({
      config,
      storage,
      useCases,
      applied,
      intake,
      metrics,
      operatorKey: operator.key,
      appSecrets,
      verifyToken,
      demo: () => demo,
      starting: () => (stopping ? 'stopping' : started ? undefined : 'starting'),
      clock,
      log,
      signal: ending.signal,
    })
    storage.gate.minding(() => workers?.sender.stats().inFlight ?? 0)
    watchFleet(metrics.registry, { pool: storage.workerPool, owner, members: fleet.members })
    watchInstallation(metrics.registry, storage.workerPool, storage)
    metrics.watch({
      progress: applied.progress,
      intake,
      sender: () => workers?.sender.stats() ?? { waiting: 0, inFlight: 0 },
      feedConnections: http.feed.connections,
    })
    cleanUp.push(async () => drain(server, http.feed))

    if (world !== undefined && demoParts !== undefined) {
      // The demo's number is checked at the simulator, which is us: it answers first, and the rest when there is a demo to show.
      serve((req, res) => {
        if (!world.handle(req, res)) notYet(req, res)
      })
      demo = await demoParts.createDemoTenant(useCases, clock())
    }
    const isApi = config.roles.includes('api')
    const listener = isApi ? http.listener : machineRoomOnly(http.listener)
    serve(
      (req, res) => {
        if (world?.handle(req, res) !== true) listener(req, res)
      },
      isApi ? http.feed : undefined,
    )
    // A customer of the demo who writes before Meta's side knows where to deliver would write into the void.
    await world?.ready
    started = true
    return { url: `http://${config.http.host === '0.0.0.0' ? 'localhost' : config.http.host}:${port}`, port, operatorKey: operator, demo, stop }
  } catch (error) {
    server.close()
    await stop()
    throw error
  }
}

/** Read models follow the log itself, or what Kafka carries on of it: then its client is loaded. */
async function openSource(config: Config, options: { storage: Storage; log: Logger }): Promise<ProjectionSource> {
  if (config.projectionSource === 'store') return { subscribe: options.storage.store.subscribe, close: () => Promise.resolve() }
  const { openProjectionSource } = await import('./composition/projection-source.ts')
  return openProjectionSource(config, options)
}

/** Loaded only where something is published. */
async function openPublishing(options: PublishingOptions): Promise<Publishing> {
  const { createPublishing } = await import('./composition/publishing.ts')
  return createPublishing(options)
}
