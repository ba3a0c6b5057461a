import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { destroySubjectKeys } from '../../src/adapters/keyring/subject-keys.ts'
import { createVault } from '../../src/adapters/keyring/vault.ts'
import type { SealContext } from '../../src/domain/kernel/vault.ts'

/** Who can be erased in a test. Every sealed value of every event is one of theirs, in turn. */
export const people = ['ana', 'bruno', 'carla', 'dora'] as const
export type Person = (typeof people)[number]

type Told = { readonly context: SealContext; readonly text: string }

/** What nobody would write by chance: it can be looked for in whatever the database holds. */
const marker = 'dicho-en-secreto'

/**
 * Really sealed secrets for random events, whose keys can be destroyed at any moment, and a search for what is left of them.
 * @param pool connections of the role recado_worker
 */
export function createSealedPeople(pool: Pool) {
  const masterKey = randomBytes(32)
  // Every minute over at once: a vault that believes no key it has in memory, as every process does after a minute.
  const doubting = () => {
    let minutes = 0
    return createVault({ pool, masterKey, now: () => 60_000 * minutes++ })
  }
  const vault = doubting()
  const told = new Map<string, Told>()
  /** How often: each time it is one version of the key that goes, and who comes back has the next one. */
  const destroyed = new Map<string, number>()
  let turn = 0
  const isErased = ({ tenantId, subject }: SealContext, sealed: string): boolean =>
    Buffer.from(sealed, 'base64').readUInt16BE(1) <= (destroyed.get(`${tenantId} ${subject}`) ?? 0)

  return {
    /** The data of an event with every `{sealed}` in it sealed for one of the people. */
    async seal<Data>(tenantId: string, eventId: string, data: Data): Promise<Data> {
      await vault.ensure(tenantId, people)
      const walk = (value: unknown, field: string): unknown => {
        if (Array.isArray(value)) return value.map((one, nth) => walk(one, `${field}.${nth}`))
        if (typeof value !== 'object' || value === null) return value
        if ('sealed' in value) {
          const subject = people[turn++ % people.length] ?? 'ana'
          const context = { tenantId, subject, eventId, field }
          const text = `${marker} ${turn}`
          const sealed = vault.seal(context, text)
          told.set(sealed, { context, text })
          return { ...value, sealed }
        }
        return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, field === '' ? name : `${field}.${name}`)]))
      }
      return walk(data, '') as Data
    },

    async erase(tenantId: string, subject: Person): Promise<void> {
      if ((await destroySubjectKeys(pool, [{ tenantId, subject }])) === 0) throw new Error(`${subject} has no key that could be destroyed`)
      destroyed.set(`${tenantId} ${subject}`, (destroyed.get(`${tenantId} ${subject}`) ?? 0) + 1)
    },

    /** Opens everything sealed that stands in any of these lines, as somebody who only now starts: who is erased says nothing any more, the others all. */
    async read(lines: readonly string[]): Promise<{ readonly erased: number; readonly readable: number; readonly wrong: readonly string[] }> {
      const reader = createVault({ pool, masterKey })
      const seen = new Set(lines.flatMap((line) => line.match(/[A-Za-z0-9+/]{40,}={0,2}/g) ?? []))
      const wrong: string[] = lines.filter((line) => line.includes(marker)).map((line) => `in plain: ${line.slice(0, 200)}`)
      let [erased, readable] = [0, 0]
      for (const sealed of seen) {
        const known = told.get(sealed)
        if (known === undefined) continue
        const opened = await reader.open(known.context, sealed)
        const gone = 'erased' in opened
        if (gone !== isErased(known.context, sealed) || (!gone && opened.text !== known.text))
          wrong.push(`${known.context.subject} ${known.text} ${JSON.stringify(opened)}`)
        if (gone) erased++
        else readable++
      }
      return { erased, readable, wrong }
    },
  }
}
export type SealedPeople = ReturnType<typeof createSealedPeople>

/** Every row of every table of this database as text: whatever was left anywhere stands in one of them. @param pool of the owner */
export async function everyRow(pool: Pool): Promise<readonly string[]> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  )
  const lines: string[] = []
  for (const { name } of tables) {
    const { rows } = await pool.query<{ line: string }>(`select t::text as line from ${name} t`)
    lines.push(...rows.map(({ line }) => `${name} ${line}`))
  }
  return lines
}
