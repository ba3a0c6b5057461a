import { createLogScan } from '../../src/adapters/event-store/postgres/scan-log.ts'
import { createPool } from '../../src/postgres/pool.ts'
import { serveFolds } from '../../src/projections/engine/serve-folds.ts'
import { projections } from '../../src/projections/index.ts'
import { moody } from './twins.ts'

/** A thread that folds, as in the program, with read models that do not bear every event. */
await serveFolds(projections.map(moody), (url, max) => {
  const pool = createPool({ url: String(url), role: 'owner', max, name: 'moody folds', statementTimeoutMs: 0, pipeline: false })
  return { pool, scan: createLogScan(pool) }
})
