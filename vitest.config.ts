import { defineConfig } from 'vitest/config'

/**
 * The suffix of a test tells its level, and with it what it needs:
 * `*.spec.ts` nothing (milliseconds) · `*.int.spec.ts` a real PostgreSQL · `*.e2e.spec.ts` the started program · `*.faults.spec.ts` kill -9 and cut connections.
 */
const include = (suffix: string): string[] => [`src/**/*.${suffix}.ts`, `simulator/**/*.${suffix}.ts`, `tests/**/*.${suffix}.ts`]
const slow = ['int.spec', 'e2e.spec', 'faults.spec']
const exclude = ['**/node_modules/**']
// Patient: on a busy machine a second is nothing, and a good test does not wait for its time-out.
const expectations = { poll: { timeout: 40_000 } }
const postgres = {
  expect: expectations,
  globalSetup: ['tests/support/postgres-server.ts', 'tests/support/kafka/kafka-server.ts'],
  testTimeout: 90_000,
  hookTimeout: 120_000,
}

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', expect: expectations, testTimeout: 30_000, include: include('spec'), exclude: [...exclude, ...slow.flatMap(include)] },
      },
      { test: { name: 'int', include: include('int.spec'), exclude, ...postgres } },
      // What answers from the log, once more with the log on an engine that knows neither tenants nor moments.
      {
        test: {
          name: 'without-sql',
          include: ['past', 'audit', 'events', 'feed', 'projections'].map((room) => `src/api/${room}/**/*.int.spec.ts`),
          exclude,
          ...postgres,
          env: { RECADO_TEST_LOG: 'without SQL' },
        },
      },
      { test: { name: 'e2e', include: include('e2e.spec'), exclude, fileParallelism: false, ...postgres, testTimeout: 120_000 } },
      { test: { name: 'faults', include: include('faults.spec'), exclude, fileParallelism: false, ...postgres, testTimeout: 600_000 } },
    ],
  },
})
