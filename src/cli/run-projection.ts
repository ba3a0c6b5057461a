import { createHash } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Config } from '../config.ts'
import { eventsOf } from '../domain/catalogue.ts'
import { start } from '../domain/kernel/position.ts'
import { parseProjection, ProjectionRefused, snake } from '../projections/custom/layout.ts'
import { typescriptForm, type Form } from '../projections/custom/form.ts'
import { runCustomProjection, type Stage } from '../projections/custom/run.ts'
import { parseSqlProjection, sqlForm } from '../projections/custom/sql-form.ts'
import { createMeter, type Meter } from './meter.ts'
import { openReading, placeOf } from './reading.ts'
import { CommandRefused } from './refused.ts'
import { openTools } from './tools.ts'

export type RunOptions = {
  readonly tenant?: string
  readonly from?: string
  readonly follow?: boolean
  readonly fresh?: boolean
  readonly schema?: string
  readonly reveal?: boolean
}

/** `recado projections run <file>`: builds the tables of a file, goes on with them, and follows the log if wished. */
export async function runProjectionFile(config: Config, file: string, options: RunOptions): Promise<void> {
  const text = contentOf(file)
  const tools = await openTools(config)
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const screen = createScreen()
  try {
    const sql = extname(file) === '.sql'
    if (sql && options.reveal === true) throw new CommandRefused('A SELECT cannot open personal fields. Write it in TypeScript.')
    if (sql && tools.engine !== 'PostgreSQL')
      throw new CommandRefused(
        `A SELECT is run over log.events, which shows a log in PostgreSQL, and the log is on ${tools.engine}. Write the projection in TypeScript.`,
      )
    // Read before anything is put on record or made.
    const parsed = sql ? undefined : await importProjection(file)
    const select = sql ? parseSqlProjection(text, basename(file, '.sql')) : undefined
    const name = parsed?.name ?? select?.name ?? basename(file, extname(file)).replaceAll(/[^A-Za-z0-9]+/g, '_')
    const schema = schemaOf(options.schema ?? name)
    const { tenantId, reveal } = await openReading(config, tools, {
      tenant: options.tenant,
      reveal: options.reveal === true,
      access: { what: options.reveal === true ? 'events_revealed' : 'projection_run', entity: { type: 'projection', id: schema } },
      request: 'recado projections run',
    })
    const form: Form = parsed === undefined ? sqlForm(select ?? parseSqlProjection(text, name), tenantId) : typescriptForm(parsed)
    const from = (await placeOf(tools, options.from)) ?? start
    await runCustomProjection({
      form,
      schema,
      // Not what the file imports: `--fresh` is for that.
      fingerprint: createHash('sha256')
        .update(JSON.stringify([text, tenantId, from, options.reveal === true]))
        .digest('hex'),
      tenantId,
      from,
      follow: options.follow === true,
      fresh: options.fresh === true,
      pool: tools.ownerPool,
      copyPool: tools.copyPool,
      scan: tools.scan,
      store: tools.store,
      reveal,
      signal: stopping.signal,
      onStage: (stage) => screen.show(schema, stage),
      onProgress: ({ position, events }) => screen.move(Number(position), events),
    })
  } finally {
    screen.end()
    await tools.close()
  }
}

function contentOf(file: string): string {
  if (!['.ts', '.mts', '.js', '.mjs', '.sql'].includes(extname(file))) throw new CommandRefused(`${file} is neither TypeScript nor SQL.`)
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new CommandRefused(`There is no file ${file}.`)
  }
}

function schemaOf(name: string): string {
  const schema = `custom_${snake(name).replace(/^custom_/, '')}`
  if (!/^custom_[a-z][a-z0-9_]{0,45}$/.test(schema) || schema.endsWith('__next'))
    throw new ProjectionRefused(`"${name}" is no name for a schema: it begins with a letter and has small letters, digits and _ only.`)
  return schema
}

/** 'recado' is this very checkout, wherever the file is: nothing has to be installed beside it. */
async function importProjection(file: string): Promise<ReturnType<typeof parseProjection>> {
  const ours = new URL('../index.ts', import.meta.url).href
  registerHooks({ resolve: (specifier, context, next) => (specifier === 'recado' ? { url: ours, shortCircuit: true } : next(specifier, context)) })
  const loaded = (await import(pathToFileURL(realpathSync(file)).href)) as { default?: unknown }
  return parseProjection(loaded.default, knownTypes)
}

const knownTypes = Object.values(eventsOf).flatMap((events) => events.options.map(({ shape }) => shape.type.value))

function createScreen() {
  let meter: Meter | undefined
  const end = (): void => {
    meter?.end()
    meter = undefined
  }
  return {
    show(schema: string, stage: Stage): void {
      end()
      switch (stage.stage) {
        case 'waiting':
          return console.error(`Another process runs ${schema}: waiting until it ends, or has been silent for five seconds.`)
        case 'building':
          meter = createMeter(`Building ${schema}`, Number(stage.from), Number(stage.to))
          return
        case 'going on':
          meter = createMeter(`Going on with ${schema}`, Number(stage.from), Number(stage.to))
          return
        case 'built':
        case 'up to date':
          return console.error(`${schema} shows the log up to position ${Number(stage.position)}.`)
        case 'following':
          return console.error(
            `${schema} shows the log up to position ${Number(stage.position)} and follows it. Ctrl-C ends this; the next run goes on from here.`,
          )
        case 'disturbed':
          return console.error(
            `Disturbed (${stage.error instanceof Error ? stage.error.message : String(stage.error)}): going on from the checkpoint.`,
          )
        default:
          stage satisfies never
      }
    },
    move: (position: number, events: number): void => meter?.move(position, events),
    end,
  }
}
