#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { Command } from 'commander'
import { giveBackMemory } from './composition/give-back-memory.ts'
import { createLog } from './composition/log.ts'
import { ConfigMistakes, readConfig, type Config } from './config.ts'
import { KeyRefused } from './keys.ts'
import type { Recado } from './main.ts'

// What was compiled (and stripped of its types) at the first start is kept: the second one needs 1 s less and 25 MB less.
enableCompileCache()

const program = new Command('recado').description('The messaging backend of a CRM.').showHelpAfterError()

program
  .command('serve', { isDefault: true })
  .description('run the program: API, webhooks, workers (RECADO_ROLES)')
  .action(async () => serve(configOrExit()))

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

await program.parseAsync()

async function serve(config: Config): Promise<void> {
  const started = performance.now()
  const log = createLog(config)
  // A signal may come while we start: then the start is finished first, so that what it opened can be closed properly.
  let stopping = false
  const stop = async (why: string): Promise<void> => {
    if (stopping) return
    stopping = true
    log.info({ why }, 'stopping')
    await (await starting).stop()
    log.info('stopped')
    process.exit()
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => (stopping ? process.exit(130) : void stop('SIGINT')))
  const starting = (await import('./main.ts')).startRecado(config, {
    log,
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
    fail(explain(error))
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

function configOrExit(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    return fail(explain(error))
  }
}

/** Mistakes of people in lines for people; anything else with all there is to know. */
function explain(error: unknown): readonly string[] {
  if (error instanceof ConfigMistakes) return ['Recado cannot start with this configuration:', ...error.mistakes.map((line) => `  ${line}`)]
  if (error instanceof KeyRefused) return [error.message]
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    return ['The port is taken by another program. Set PORT to a free one.']
  const known = ['EmbeddedPostgresRefused', 'MigrationRefused', 'WrongMasterKey']
  if (error instanceof Error && known.includes(error.name)) return [error.message]
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
}

function fail(lines: readonly string[]): never {
  for (const line of lines) console.error(line)
  process.exit(1)
}
