import { Client } from 'pg'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'

/** More than a bench writes. */
const megabytes = 768
const segmentMegabytes = 16

/**
 * A server as it is after its first day: its write-ahead log has been round once, and old segments are used again. A new server makes a segment of 16 MB,
 * zeroes and all, for every ten thousand deliveries, and holds up whoever commits meanwhile (p99 of a commit of 170 KB: 95 ms on a new server, 13 ms on
 * one like this). That is the tail of its first gigabyte, and nobody's afterwards.
 */
export async function startBrokenInPostgres(): ReturnType<typeof startThrowAwayPostgres> {
  const server = await startThrowAwayPostgres()
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    for (let made = 0; made < megabytes / segmentMegabytes; made++) {
      // A segment in which nothing was written is not left.
      await client.query("select pg_logical_emit_message(false, 'bench', '')")
      await client.query('select pg_switch_wal()')
    }
    // Gives the old ones the names of those to come.
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
  return server
}
