import { Command, Option } from 'commander'
import { giveBackMemory } from './composition/give-back-memory.ts'
import { createLog } from './composition/log.ts'
import { ConfigMistakes, readConfig, type Config } from './config.ts'
import { KeyRefused } from './keys.ts'
import type { ExportOptions } from './cli/export-events.ts'
import type { DeliveriesWish } from './cli/replay.ts'
import type { RunOptions } from './cli/run-projection.ts'
import type { CopyWish } from './cli/store.ts'
import type { Recado } from './main.ts'

// `recado projections list | head`: whoever reads has read enough, and that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const program = new Command('recado').description('The messaging backend of a CRM.').showHelpAfterError()

program
  .command('serve', { isDefault: true })
  .description('run the program: API, webhooks, workers (RECADO_ROLES)')
  .action(async () => serve(configOrExit()))

program
  .command('worker')
  .description('run read models and processes only, whatever RECADO_ROLES says; answers /healthz, /readyz and /metrics')
  .action(async () => serve(configOrExit({ ...process.env, RECADO_ROLES: 'worker' })))

program
  .command('lite')
  .description('WhatsApp Web sessions: none in this version')
  .action(() => fail(['WhatsApp Web sessions (the role `lite`) are not part of this version.']))

program
  .command('migrate')
  .description('bring the database of DATABASE_URL up to date and end')
  .action(async () => {
    const { migrate } = await import('./postgres/migrate.ts')
    const { url } = configOrExit().database
    if (url === undefined) fail(['DATABASE_URL is not set. The embedded database is migrated at every start.'])
    const { applied } = await migrate({ url })
    console.log(applied.length === 0 ? 'Nothing to do: the database is up to date.' : `Applied ${applied.join(', ')}.`)
  })

program
  .command('docs')
  .description('write the generated pages of docs/reference')
  .action(async () => {
    const { writeReference } = await import('./composition/reference.ts')
    for (const file of await writeReference()) console.log(file)
  })

const projections = program.command('projections').description('read models, and projections of your own')

projections
  .command('run <file>')
  .description('build the tables of a projection of your own (.ts or .sql) and go on with them; see docs/how-to/custom-projections.md')
  .option('--tenant <slug>', 'events of one organisation only')
  .option('--from <position|time>', 'leave out what was before')
  .option('--follow', 'stay, and apply what happens')
  .option('--schema <name>', 'tables in custom_<name> instead of the name in the file')
  .option('--fresh', 'build anew although the tables are up to date')
  .option('--reveal', 'open personal fields: needs RECADO_API_KEY with the scope events:reveal; audited')
  .action(async (file: string, options: RunOptions) =>
    command(async (config) => (await import('./cli/run-projection.ts')).runProjectionFile(config, file, options)),
  )

projections
  .command('list')
  .description('the read models, how far they are, and the latest rebuilds')
  .action(async () => command(async (config) => (await import('./cli/projections.ts')).listProjections(config)))

projections
  .command('rebuild <names...>')
  .description('build read models anew from the log, in one pass (`all` for every one); queries show the old rows until the new ones are ready')
  .option('--tenant <slug>', 'the rows of one organisation only')
  .option('--follow', 'stay and show how far it is; does it itself when no running Recado does')
  .action(async (names: string[], options: { tenant?: string; follow?: boolean }) =>
    command(async (config) => (await import('./cli/projections.ts')).rebuildProjections(config, names, options)),
  )

projections
  .command('abort <rebuild>')
  .description('give a rebuild up')
  .action(async (id: string) => command(async (config) => (await import('./cli/projections.ts')).abortRebuild(config, id)))

projections
  .command('rollback <name>')
  .description('go back to the rows that were shown before the last switch (kept for a day)')
  .option('--follow', 'stay and show how far it is')
  .action(async (name: string, options: { follow?: boolean }) =>
    command(async (config) => (await import('./cli/projections.ts')).rollBackProjection(config, name, options)),
  )

program
  .command('export')
  .description('write parts of the log to a file or to stdout')
  .command('events')
  .option('--tenant <slug>', 'of one organisation only')
  .option('--type <types>', 'of these types only, with commas between them')
  .option('--from <position|time>', 'leave out what was before')
  .option('--to <position|time>', 'and what came after')
  .addOption(new Option('--format <format>').choices(['ndjson', 'csv', 'parquet']).default('ndjson'))
  .option('--out <file>', 'the file to write; stdout without it')
  .option('--reveal', 'open personal fields: needs RECADO_API_KEY with the scope events:reveal; audited')
  .action(async (options: ExportOptions) => command(async (config) => (await import('./cli/export-events.ts')).exportEvents(config, options)))

const replay = program.command('replay').description('do again what was received, or make a process know again what the log says')

replay
  .command('deliveries')
  .description('apply deliveries again that failed or are parked; what they did the first time they do not do twice')
  .requiredOption('--tenant <slug>', 'of this organisation')
  .option('--state <state>', 'failed or parked; both without it')
  .option('--from <time>', 'received at or after')
  .option('--to <time>', 'received before')
  .option('--phone-number-id <id>', "Meta's id of the number that a part of it is for")
  .option('--item <kind>', 'what of it could not be applied, such as message or status')
  .option('--error <text>', 'a part of the text of an error')
  .option('--rate <number>', 'deliveries per second, at most', '50')
  .option('--dry-run', 'only tell what would be appended')
  .action(async (options: DeliveriesWish) => command(async (config) => (await import('./cli/replay.ts')).replayDeliveries(config, options)))

replay
  .command('process <name>')
  .description("make a process's tables (intake, outbox) again from the log; nothing is sent, fetched or decided; see docs/how-to/replay.md")
  .option('--from <position|time>', 'only what came after; from the start without it')
  .option('--dry-run', 'only tell what would change')
  .action(async (name: string, options: { from?: string; dryRun?: boolean }) =>
    command(async (config) => (await import('./cli/replay.ts')).redriveProcess(config, name, options)),
  )

const store = program.command('store').description('where the log is, and how to move it to another engine; see docs/how-to/move-the-log.md')
const engineOption = (flag: string, says: string): Option => new Option(flag, says).choices(['postgres', 'eventstoredb']).makeOptionMandatory()

store
  .command('copy')
  .description('copy the log into another engine while Recado runs, and compare both event by event; killed, it goes on where it was')
  .addOption(engineOption('--from <engine>', 'where the log is'))
  .addOption(engineOption('--to <engine>', 'where it is copied to'))
  .option('--switch', 'then freeze the log, copy the rest, and make the other engine the true one: every process of Recado ends')
  .option('--sample <streams>', 'so many streams are read one by one as well', '200')
  .action(async (wish: CopyWish) => command(async (config) => (await import('./cli/store.ts')).copyStore(config, wish)))

store
  .command('status')
  .description('where the log is, who has it open, and how far a copy is')
  .action(async () => command(async (config) => (await import('./cli/store.ts')).storeStatus(config)))

store
  .command('abort')
  .description('give a copy up; the log is opened again where it was')
  .action(async () => command(async (config) => (await import('./cli/store.ts')).abortCopy(config)))

program
  .command('prepare', { hidden: true })
  .description('compile what a start needs, once, so that no start has to (npm ci does it)')
  .action(async () => void (await Promise.all([import('./main.ts'), import('./composition/demo.ts'), import('graphile-worker')])))

await program.parseAsync()

/** A command that does its work and ends; what goes wrong is said in a sentence where it can be. */
async function command(work: (config: Config) => Promise<void>): Promise<void> {
  try {
    await work(configOrExit())
  } catch (error) {
    fail(explain(error))
  }
}

async function serve(config: Config): Promise<void> {
  const started = performance.now()
  const log = createLog(config)
  // A signal may come while we start: then the start is finished first, so that what it opened can be closed properly.
  // Only a wait for a database that is not there ends at once: nothing is open yet.
  let stopping = false
  const unwanted = new AbortController()
  const stop = async (why: string): Promise<void> => {
    if (stopping) return
    stopping = true
    log.info({ why }, 'stopping')
    unwanted.abort()
    const recado = await starting.catch((error: unknown) => log.warn({ err: error }, 'it had not started'))
    await recado?.stop()
    log.info('stopped')
    process.exit()
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => (stopping ? process.exit(130) : void stop('SIGINT')))
  const starting = (await import('./main.ts')).startRecado(config, {
    log,
    signal: unwanted.signal,
    onFailed(error) {
      log.fatal({ err: error }, 'something that has to run has ended; stopping')
      process.exitCode = 1
      void stop('failure')
    },
  })
  try {
    const recado = await starting
    if (stopping) return
    log.info({ url: recado.url, roles: config.roles, ms: Math.round(performance.now() - started) }, 'ready')
    greet(recado, config)
    setTimeout(() => void giveBackMemory().catch((error: unknown) => log.debug({ err: error }, 'memory was not given back')), 1_000).unref()
  } catch (error) {
    if (!stopping) fail(explain(error))
  }
}

/** For people who start it by hand; a machine that collects the log gets JSON lines only. */
function greet({ url, demo, operatorKey }: Recado, config: Config): void {
  if (!process.stdout.isTTY && !config.log.pretty && demo === undefined) return
  const lines = ['', `  Recado is ready on ${url}`, '']
  if (demo !== undefined)
    lines.push(`  Open it: the inbox of "${demo.tenantName}" with a simulated phone beside it. Write as a customer, answer as the business.`)
  lines.push(`  API: ${url}/docs    health: ${url}/readyz    data: ${config.database.url === undefined ? config.dataDir : 'DATABASE_URL'}`)
  if (operatorKey.file !== undefined) lines.push(`  Key of the platform operator: ${operatorKey.file}`)
  console.error([...lines, ''].join('\n'))
}

function configOrExit(env: NodeJS.ProcessEnv = process.env): Config {
  try {
    return readConfig(env)
  } catch (error) {
    return fail(explain(error))
  }
}

/** Mistakes of people in lines for people; anything else with all there is to know. */
function explain(error: unknown): readonly string[] {
  if (error instanceof ConfigMistakes) return ['Recado cannot start with this configuration:', ...error.mistakes.map((line) => `  ${line}`)]
  if (error instanceof KeyRefused) return [error.message]
  const known = [
    'ListenRefused',
    'DatabaseAway',
    'EmbeddedPostgresRefused',
    'MigrationRefused',
    'WrongMasterKey',
    'CommandRefused',
    'ProjectionRefused',
    'HandlerFailed',
    'LogElsewhere',
    'LogsDiffer',
    'ImportRefused',
    'SwitchRefused',
    'MoveTaken',
  ]
  if (error instanceof Error && known.includes(error.name)) return [error.message]
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
}

function fail(lines: readonly string[]): never {
  for (const line of lines) console.error(line)
  process.exit(1)
}
