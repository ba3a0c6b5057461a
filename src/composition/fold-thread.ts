import { createLogScan } from '../adapters/event-store/postgres/scan-log.ts'
import { createPool } from '../postgres/pool.ts'
import { serveFolds } from '../projections/engine/serve-folds.ts'
import { projections } from '../projections/index.ts'

// A thread that folds for a rebuild, over a log in PostgreSQL.
await serveFolds(projections, (url, max) => {
  const pool = createPool({ url: String(url), role: 'owner', max, name: 'fold', statementTimeoutMs: 0, pipeline: false })
  return { pool, scan: createLogScan(pool) }
})
