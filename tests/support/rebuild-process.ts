import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createPostgresEventStore } from '../../src/adapters/event-store/postgres/event-store.ts'
import { createLogIndex } from '../../src/adapters/event-store/postgres/log-index.ts'
import { createLogScan } from '../../src/adapters/event-store/postgres/scan-log.ts'
import { foldThread } from '../../src/composition/log-engine.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { conversations } from '../../src/projections/conversations/projection.ts'
import { prepareReadModels } from '../../src/projections/engine/generations.ts'
import { runProjection } from '../../src/projections/engine/live.ts'
import type { Projection } from '../../src/projections/engine/projection.ts'
import { runRebuilds } from '../../src/projections/engine/run-rebuilds.ts'
import { messages } from '../../src/projections/messages/projection.ts'

/** Live writers and the worker of rebuilds in a process of its own, to be killed: `node rebuild-process.ts <database url>`. It says "working" when it has begun. */
const [url = ''] = process.argv.slice(2)
const models: readonly Projection[] = [conversations, messages]
const pool = createPool({ url, role: 'recado_worker', max: 8, name: 'killed' })
const ownerPool = createPool({ url, role: 'owner', max: 2, name: 'killed owner' })
const copyPool = createPool({ url, role: 'owner', max: 6, name: 'killed copy', pipeline: false, statementTimeoutMs: 0 })
const store = createPostgresEventStore({ pool, listenUrl: url })
const shared = { pool, owner: randomUUID(), signal: new AbortController().signal, log: pino({ level: 'silent' }), leaseMs: 1_200 }

await prepareReadModels(ownerPool, models)
for (const projection of models) void runProjection({ ...shared, projection, store, ownerPool, pageSize: 200 })
// In threads of its own at every other start: a rebuild that one way left half done is then gone on with the other way.
const threads = process.pid % 2 === 0 ? { entry: foldThread, connection: url, leastEvents: 0 } : undefined
// A budget that makes it spill and take back: a kill may then meet a table that is half filled.
const reading = { scan: createLogScan(copyPool), index: createLogIndex(copyPool), threads }
void runRebuilds({ ...shared, ...reading, projections: models, store, copyPool, budgetBytes: 2_000_000, pollMs: 30 })
process.stdout.write('working\n')
