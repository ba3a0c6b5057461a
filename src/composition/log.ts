import { pino, type Logger } from 'pino'
import type { Config } from '../config.ts'

/**
 * JSON lines, or lines for people. Whitelists, not blacklists: of an error only what it says and where, for the errors of libraries carry whole requests,
 * connections and statements with everything that was in them; of requests nothing, for `http` writes its own line about each.
 */
export function createLog({ log }: Pick<Config, 'log'>, destination?: NodeJS.WritableStream): Logger {
  const options = { level: log.level, serializers: { err: errorLine, error: errorLine, req: () => undefined, res: () => undefined } }
  if (log.pretty)
    return pino({ ...options, transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' } } })
  return destination === undefined ? pino(options) : pino(options, destination)
}

export type ErrorLine = {
  readonly type: string
  /** Not of PostgreSQL's errors: they quote the values of rows and statements. */
  readonly message?: string
  /** Of PostgreSQL's errors: names of the schema, which tell where without telling what. */
  readonly table?: string
  readonly constraint?: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: ErrorLine
}

/** PostgreSQL's `message`, `detail` and `where` name values of rows; they are left out with everything else, and so is the stack's copy of the message. */
function errorLine(error: unknown): ErrorLine | string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : 'no error object'
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? { code: String(error.code) } : {}
  const cause = error.cause instanceof Error ? { cause: errorLine(error.cause) as ErrorLine } : {}
  if ('severity' in error)
    return { type: error.name, ...code, ...named(error, 'table'), ...named(error, 'constraint'), stack: framesOf(error), ...cause }
  return { type: error.name, message: error.message, ...code, ...(error.stack === undefined ? {} : { stack: error.stack }), ...cause }
}

function named(error: Error, what: 'table' | 'constraint'): { table?: string; constraint?: string } {
  const value = (error as { table?: unknown; constraint?: unknown })[what]
  return typeof value === 'string' ? { [what]: value } : {}
}

/** The stack behind the message, which may itself have lines that look like frames. */
function framesOf({ stack = '', message }: Error): string {
  const end = stack.indexOf(message) + message.length
  return stack
    .slice(end)
    .split('\n')
    .filter((text) => /^\s+at /.test(text))
    .join('\n')
}
