import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

/** The floors of the house are lint rules; a rule that cannot go red guards nothing, so each is seen to. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const house = mkdtempSync(join(tmpdir(), 'recado-floors-'))
copyFileSync(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'))
afterAll(() => rmSync(house, { recursive: true, force: true }))

function lint(file: string, code: string): { code: number | null; said: string } {
  mkdirSync(dirname(join(house, file)), { recursive: true })
  writeFileSync(join(house, file), code)
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--deny-warnings', file], { cwd: house, encoding: 'utf8' })
  rmSync(join(house, file))
  return { code: status, said: stdout }
}
const importing = (path: string): string => `import { thing } from '${path}'\n\nexport const other = thing\n`

describe('a floor', () => {
  it.each([
    ['src/domain/tenant/x.ts', '../../adapters/keyring/vault.ts', 'The domain is pure'],
    ['src/domain/tenant/x.ts', '../../commands/kernel/execute.ts', 'The domain is pure'],
    ['src/domain/tenant/x.ts', '../../postgres/pool.ts', 'The domain is pure'],
    ['src/domain/tenant/x.ts', 'node:fs', 'No I/O in the domain'],
    ['src/domain/tenant/x.ts', 'pg', 'No I/O in the domain'],
    ['src/postgres/x.ts', '../commands/kernel/execute.ts', 'ground floor'],
    ['src/commands/tenants/x.ts', '../../projections/index.ts', 'Commands import the domain'],
    ['src/commands/tenants/x.ts', '../../adapters/keyring/vault.ts', 'Commands import the domain'],
    ['src/commands/processes/sender/x.ts', '../../../api/http/app.ts', 'Commands import the domain'],
    ['src/projections/channels/x.ts', '../../commands/kernel/execute.ts', 'Projections import the domain'],
    ['src/adapters/keyring/x.ts', '../../api/http/app.ts', 'Adapters implement ports'],
    ['src/api/channels/x.ts', '../../adapters/keyring/vault.ts', 'never an adapter'],
    ['simulator/x.ts', '../src/main.ts', 'The simulator plays Meta'],
  ])('%s may not import %s', (file, path, why) => {
    const { code, said } = lint(file, importing(path))
    expect(code).not.toBe(0)
    expect(said).toContain(why)
  })
  it.each([
    ['src/domain/tenant/x.ts', '../kernel/decider.ts'],
    ['src/commands/tenants/x.ts', '../../domain/tenant/tenant.ts'],
    ['src/api/channels/x.ts', '../../commands/channels/add-channel.ts'],
  ])('%s may import %s', (file, path) => {
    expect(lint(file, importing(path))).toMatchObject({ code: 0 })
  })
  it.each([
    ['the clock', 'export const now = (): number => Date.now()\n'],
    ['chance', 'export const chance = (): number => Math.random()\n'],
    ['the network', "export const ask = (): Promise<unknown> => fetch('http://localhost')\n"],
  ])('keeps %s out of the domain', (_what, code) => {
    expect(lint('src/domain/tenant/x.ts', code).code).not.toBe(0)
  })
})
