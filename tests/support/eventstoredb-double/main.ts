// The double as a process, its data on disk, so that kill -9, SIGSTOP and SIGTERM of "the server" are real:
//   node tests/support/eventstoredb-double/main.ts --port 2113 --data <file> [--max-append-size 8388608] [--not-ready-ms 1000] [--grace-ms 5000]
import { parseArgs } from 'node:util'
import { startDouble } from './double.ts'
import { lockFile, openFile } from './file.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '2113' },
    host: { type: 'string', default: '127.0.0.1' },
    data: { type: 'string' },
    'max-append-size': { type: 'string', default: '1048576' },
    'not-ready-ms': { type: 'string', default: '0' },
    'grace-ms': { type: 'string', default: '5000' },
    'falls-behind': { type: 'boolean', default: false },
  },
})

const unlock = values.data === undefined ? undefined : lockFile(values.data)
const onDisk = values.data === undefined ? {} : await openFile(values.data)
const double = await startDouble({
  port: Number(values.port),
  host: values.host,
  maxAppendSize: Number(values['max-append-size']),
  notReadyForMs: Number(values['not-ready-ms']),
  fallsBehind: values['falls-behind'],
  ...onDisk,
})
console.log(`EventStoreDB protocol double on ${double.url}`)

let leaving = false
process.on('SIGTERM', () => {
  if (leaving) return
  leaving = true
  void double.leave(Number(values['grace-ms'])).then(() => {
    unlock?.()
    process.exit(0)
  })
})
