/**
 * A program with an embedded PostgreSQL and nothing else, for tests that kill it: prints a line of JSON when it is ready, lines of its log before and after,
 * stops on SIGTERM and SIGINT. Arguments: data directory, room for others.
 */
import { Client } from 'pg'
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/start.ts'

const [dataDir = '', roomForOthers = ''] = process.argv.slice(2)
const say = (text: string): void => void process.stdout.write(`${text}\n`)

try {
  const server = await startEmbeddedPostgres({ dataDir, roomForOthers, log: { info: say, warn: say, error: say } })
  const bye = async (): Promise<void> => {
    // What a program does at its end: the last commit, long after the signal.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const client = new Client({ connectionString: server.url })
    await client.connect()
    await client.query('create table if not exists farewells (at timestamptz default clock_timestamp())')
    await client.query('insert into farewells default values')
    await client.end()
    await server.stop()
    say('stopped')
  }
  process.once('SIGTERM', () => void bye())
  process.once('SIGINT', () => void bye())
  // Said last: who reads it may send a signal in the same instant, and without its handler the signal would be the end.
  say(JSON.stringify({ url: server.url, postgres: server.pid() }))
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  process.exitCode = 1
}
