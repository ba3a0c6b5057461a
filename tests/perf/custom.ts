import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPool } from '../../src/postgres/pool.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { projections } from '../../src/projections/index.ts'
import { freshDatabase } from '../support/database.ts'
import { startThrowAwayPostgres } from '../support/postgres-server.ts'
import { runRecado } from '../support/processes.ts'
import { machineLoad } from './load.ts'
import { loadLog } from './rebuild/log.ts'

/** (g) The examples of docs/how-to/custom-projections.md and exports, as commands over a log of so many events. */
export async function benchCustom({ events = 1_000_000, conversations = 20_000, log = console.log } = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'recado-custom-'))
  const postgres = await startThrowAwayPostgres()
  try {
    const db = await freshDatabase(postgres.url)
    const owner = createPool({ url: db.url, role: 'owner', max: 2, name: 'bench' })
    await prepareReadModels(owner, projections)
    await owner.end()
    await loadLog(db.url, { events, conversations, tenants: ['0197c0de-0000-7000-8000-00000000000a', '0197c0de-0000-7000-8000-00000000000b'] })
    const env = { DATABASE_URL: db.url, RECADO_DATA_DIR: folder }
    const time = async (what: string, command: readonly string[], out?: string): Promise<void> => {
      const began = performance.now()
      const { code, lines } = await runRecado(command, env)
      const seconds = (performance.now() - began) / 1_000
      const size = out === undefined ? '' : `  ${(statSync(out).size / 1e6).toFixed(0)} MB`
      log(
        `  ${what.padEnd(30)} ${seconds.toFixed(1)} s  ${Math.round(events / seconds)} events/s${size}  load ${machineLoad()}${code === 0 ? '' : `  FAILED: ${lines.join(' ')}`}`,
      )
    }
    for (const file of ['messages-per-hour.ts', 'first-response-time.ts', 'messages-per-day.sql'])
      await time(file, ['projections', 'run', `examples/projections/${file}`])
    for (const format of ['ndjson', 'csv', 'parquet']) {
      const out = join(folder, `events.${format}`)
      await time(`export ${format}`, ['export', 'events', '--format', format, '--out', out], out)
    }
    await db.drop()
  } finally {
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
