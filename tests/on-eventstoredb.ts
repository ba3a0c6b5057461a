// The suites of the started program with its log on EventStoreDB: node tests/on-eventstoredb.ts [e2e or faults specs …]
// One vitest after the other, each with a log of its own: on the server that EVENTSTOREDB_URL names, else on a double.
import { spawn } from 'node:child_process'
import { startDouble } from './support/eventstoredb-double/double.ts'
import { withLogOfItsOwn } from './support/eventstoredb-server.ts'

const mainPath = ['webhooks', 'inbox', 'audit', 'parking', 'rebuilds', 'alerts', 'media', 'custom-projections'].map(
  (name) => `tests/e2e/${name}.e2e.spec.ts`,
)
const files = process.argv.length > 2 ? process.argv.slice(2) : mainPath

const real = process.env['EVENTSTOREDB_URL']
if (real === undefined) process.stderr.write('\n*** EventStoreDB: protocol double only, no real server ***\n\n')
const failed: string[] = []
for (const file of files) {
  const double = real === undefined ? await startDouble() : undefined
  const EVENTSTOREDB_URL = withLogOfItsOwn(real ?? double?.url ?? '')
  const RECADO_TEST_ENV = JSON.stringify({ EVENT_STORE: 'eventstoredb', EVENTSTOREDB_URL })
  const project = file.includes('.faults.') ? 'faults' : 'e2e'
  const run = spawn('vitest', ['run', '--project', project, file], { stdio: 'inherit', env: { ...process.env, RECADO_TEST_ENV } })
  const code = await new Promise<number | null>((resolve) => run.once('close', resolve))
  await double?.stop()
  if (code !== 0) failed.push(file)
}
if (failed.length > 0) {
  process.stderr.write(`failed on EventStoreDB: ${failed.join(', ')}\n`)
  process.exitCode = 1
}
