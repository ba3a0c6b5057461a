import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { runRecado } from '../support/processes.ts'

// A runbook is read at night: what it says to type has to be there.
const root = resolve(import.meta.dirname, '../..')
const folder = join(root, 'docs/how-to/runbooks')
const pages = [
  ...readdirSync(folder).map((name) => join(folder, name)),
  ...['move-the-log', 'run-in-production', 'upgrade'].map((name) => join(root, `docs/how-to/${name}.md`)),
  join(root, 'docs/reference/sizing.md'),
].map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')] as const)

let database: TestDatabase
let client: Client
beforeAll(async () => {
  database = await freshDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

describe.each(pages)('%s', (path, text) => {
  it('leads to pages that are there', () => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.startsWith('http')) expect(existsSync(join(root, dirname(path), target)), target).toBe(true)
    }
  })

  it('asks the database only what it can answer', async () => {
    const statements = [...text.matchAll(/-c "(select [^"]+)"/g), ...text.matchAll(/`(select [^`]+)`/g)].map(([, sql = '']) => sql)
    // What ends or drops something is looked at, not done: it is prepared with a placeholder for its name.
    for (const sql of statements) {
      const prepared = sql.replaceAll(/'?<[a-z]+>'?/g, 'null')
      await expect(client.query(`explain ${prepared}`), sql).resolves.toBeDefined()
    }
  })

  it('names commands of the program that there are', async () => {
    const commands = new Set(
      [...text.matchAll(/recado ((?:projections|store|replay|export|migrate|serve)(?: [a-z]+)?)/g)].map(([, words = '']) => words),
    )
    for (const words of commands) {
      const known = [
        'store copy',
        'store status',
        'store abort',
        'projections list',
        'projections rebuild',
        'projections abort',
        'projections run',
        'migrate',
        'serve',
      ]
      expect(known).toContain(words.replace(/^(migrate|serve) .*/, '$1'))
    }
  })

  it('names routes of the API that there are', () => {
    const routes = new Set<string>()
    for (const file of readdirSync(join(root, 'src/api'), { recursive: true, encoding: 'utf8' }).filter((one) => one.endsWith('.ts'))) {
      for (const [, route = ''] of readFileSync(join(root, 'src/api', file), 'utf8').matchAll(/path: '(\/v1\/[^']+)'/g)) routes.add(shape(route))
    }
    for (const [, route = ''] of text.matchAll(/(\/v1\/[a-z][a-zA-Z0-9/<>{}_-]*)/g)) expect([...routes], route).toContain(shape(route))
  })
})

/** `/v1/channels/<id>/test` and `/v1/channels/{id}/test` are the same. */
const shape = (route: string): string => route.replaceAll(/[<{][^>}]*[>}]/g, '*').replace(/\/$/, '')

it('the commands that pages name say what they do', async () => {
  const { lines, code } = await runRecado(['store', '--help'], {})
  expect(code).toBe(0)
  expect(lines.join('\n')).toMatch(/copy[\s\S]*status[\s\S]*abort/)
  const status = await runRecado(['store', 'status'], { DATABASE_URL: database.url })
  expect(status.lines.join('\n')).toContain('No process has opened the log yet.')
})
