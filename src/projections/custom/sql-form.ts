import type { Pool, PoolClient } from 'pg'
import { inOneFlight, inTransaction, type Statement } from '../../postgres/transaction.ts'
import type { Form } from './form.ts'
import { ProjectionRefused, quoted } from './layout.ts'

/**
 * A projection written as one SELECT over `log.events`. It is run over one stretch of the log after the other, and what it gives is added to its table:
 * as new rows, or, with `-- key: a, b`, into the rows of that key, where columns of `-- add: c` are added up and others replaced. So a SELECT that looks
 * at each event by itself, or groups by its key, says the same of the log in pieces as of the whole.
 */
export type SqlProjection = {
  readonly name: string
  readonly select: string
  readonly key: readonly string[]
  readonly add: readonly string[]
}

const column = /^[a-z_][a-z0-9_]{0,62}$/

/** `-- name:`, `-- key:` and `-- add:` at the top of the file; the name is the file's without them. @throws ProjectionRefused */
export function parseSqlProjection(text: string, fileName: string): SqlProjection {
  const said = new Map<string, string>()
  for (const [, what = '', value = ''] of text.matchAll(/^--[ \t]*(name|key|add):[ \t]*(.*?)[ \t]*$/gm)) said.set(what, value)
  const list = (what: string): string[] => {
    const names = (said.get(what) ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
    const odd = names.find((name) => !column.test(name))
    if (odd !== undefined) throw new ProjectionRefused(`"${odd}" behind "-- ${what}:" is no name of a column.`)
    return names
  }
  const name = said.get('name') ?? fileName.replaceAll(/[^A-Za-z0-9]+/g, '_').toLowerCase()
  if (!column.test(name)) throw new ProjectionRefused(`"${name}" is no name for a table. Write another one: -- name: my_table`)
  const select = text.trim().replace(/;$/, '')
  const key = list('key').filter((one) => one !== 'tenant_id')
  const add = list('add')
  if (add.length > 0 && key.length === 0) throw new ProjectionRefused('"-- add:" needs a "-- key:": added to which row?')
  return { name, select, key, add }
}

export function sqlForm({ name, select, key, add }: SqlProjection, tenantId: string | undefined): Form {
  const tableIn = (schema: string): string => `${schema}.${quoted(name)}`
  const viewIn = (schema: string): string => `${schema}.${quoted(`${name}__select`)}`
  let columns: readonly string[] = []

  async function describe(db: Pool | PoolClient, schema: string): Promise<void> {
    const { rows } = await db.query<{ attname: string }>(
      'select attname::text from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum',
      [viewIn(schema)],
    )
    columns = rows.map(({ attname }) => attname)
  }

  function statements(schema: string, after: number, through: number): readonly Statement[] {
    const rest = columns.filter((one) => one !== 'tenant_id' && !key.includes(one))
    const changes = rest.map((one) => {
      const [mine, its] = [`t.${quoted(one)}`, `excluded.${quoted(one)}`]
      return `${quoted(one)} = ${add.includes(one) ? `coalesce(${mine}, 0) + coalesce(${its}, 0)` : its}`
    })
    const names = columns.map(quoted).join(', ')
    const conflict =
      key.length === 0
        ? ''
        : `on conflict (${['tenant_id', ...key].map(quoted).join(', ')}) do ${changes.length === 0 ? 'nothing' : `update set ${changes.join(', ')}`}`
    return [
      {
        text: `select set_config('recado.after', $1, true), set_config('recado.through', $2, true), set_config('recado.tenant', $3, true)`,
        values: [String(after), String(through), tenantId ?? ''],
      },
      { text: `insert into ${tableIn(schema)} as t (${names}) select ${names} from ${viewIn(schema)} ${conflict}` },
    ]
  }

  async function create(client: PoolClient, schema: string): Promise<void> {
    // The extended protocol takes one statement, whatever the file holds; no data: nothing is run yet.
    await client.query({ text: `create view ${viewIn(schema)} as\n${select}`, queryMode: 'extended' } as { text: string })
    await client.query(`create table ${tableIn(schema)} as select * from ${viewIn(schema)} with no data`)
    await describe(client, schema)
    if (!columns.includes('tenant_id')) throw new ProjectionRefused('The SELECT has to give tenant_id: every row belongs to an organisation.')
    const missing = [...key, ...add].find((one) => !columns.includes(one))
    if (missing !== undefined) throw new ProjectionRefused(`The SELECT gives no column "${missing}".`)
    await client.query(`alter table ${tableIn(schema)} alter tenant_id set not null`)
    if (key.length > 0) await client.query(`alter table ${tableIn(schema)} add primary key (${['tenant_id', ...key].map(quoted).join(', ')})`)
    await giveToAnalyst(client, schema, viewIn(schema))
  }

  return {
    types: undefined,
    async create(pool, schema) {
      await inTransaction(pool, (client) => create(client, schema))
      return [name]
    },
    begin: ({ pool }, schema) => ({
      async take({ after, through }) {
        await inOneFlight(pool, statements(schema, Number(after), Number(through)))
      },
      async finish() {
        await pool.query(`analyze ${tableIn(schema)}`)
      },
    }),
    goOn: ({ pool }, schema) => ({
      async prepare({ after, through }) {
        if (columns.length === 0) await describe(pool, schema)
        return statements(schema, Number(after), Number(through))
      },
      committed: () => undefined,
    }),
  }
}

/** A view reads with the rights of its owner: as the analyst's it can read the log, and nothing else of ours whatever stands in the file. */
async function giveToAnalyst(client: PoolClient, schema: string, view: string): Promise<void> {
  if (!(await hasAnalyst(client))) return
  await client.query(`grant usage, create on schema ${schema} to recado_analyst; alter view ${view} owner to recado_analyst;
    revoke create on schema ${schema} from recado_analyst; set local role recado_analyst;`)
  const { rows } = await client.query<{ me: string }>('select quote_ident(session_user) as me')
  await client.query(`grant select on ${view} to ${rows[0]?.me ?? ''}; reset role`)
}

export async function hasAnalyst(db: Pool | PoolClient): Promise<boolean> {
  const { rows } = await db.query<{ has: boolean }>(
    `select exists (select from pg_roles where rolname = 'recado_analyst' and pg_has_role(current_user, oid, 'SET')) as has`,
  )
  return rows[0]?.has ?? false
}
