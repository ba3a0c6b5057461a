import { createLogScan } from '../adapters/event-store/postgres/scan-log.ts'
import { createPool } from '../postgres/pool.ts'
import { serveFolds } from '../projections/engine/serve-folds.ts'
import { projections } from '../projections/index.ts'

// A thread that folds for a rebuild, over a log in PostgreSQL: one connection to read, and as many as two to write.
await serveFolds(projections, (url) => {
  const pool = createPool({ url: String(url), role: 'owner', max: 3, name: 'fold', statementTimeoutMs: 0, pipeline: false })
  return { pool, scan: createLogScan(pool) }
})
