import { queryBuilder, type TenantQueries } from '../../postgres/queries.ts'
import { selection, type Read, type ReadTable } from '../engine/naming.ts'
import type { OperatorQueries } from '../engine/operator.ts'
import { decodeCursor, pageOf, type Page } from '../engine/page.ts'
import { templates, type TemplateRow } from './projection.ts'

export type TemplateFailure = { readonly code: string; readonly title: string; readonly detail?: string }
export type TemplateView = Read<TemplateRow, { readonly components: readonly unknown[] | null; readonly error: TemplateFailure | null }>

const db = queryBuilder<{ 'rm_templates.templates': ReadTable<TemplateView> }>()

const ofTenant = (tenantId: string) =>
  db.selectFrom('rm_templates.templates as t').where('t.tenant_id', '=', tenantId).select(selection<TemplateView, 't'>(templates.table, 't'))

export type TemplateFilter = {
  readonly status?: string | undefined
  readonly language?: string | undefined
  readonly category?: string | undefined
  /** A part of the name. */
  readonly name?: string | undefined
  readonly wabaId?: string | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

/** By name; the languages of one name stand together. @throws BadCursor */
export async function listTemplates(
  queries: TenantQueries,
  tenantId: string,
  { status, language, category, name, wabaId, cursor, limit }: TemplateFilter,
): Promise<Page<TemplateView>> {
  let query = ofTenant(tenantId)
    .orderBy('t.name')
    .orderBy('t.id')
    .limit(limit + 1)
  if (status !== undefined) query = query.where('t.status', '=', status)
  if (language !== undefined) query = query.where('t.language', '=', language)
  if (category !== undefined) query = query.where('t.category', '=', category)
  if (wabaId !== undefined) query = query.where('t.waba_id', '=', wabaId)
  if (name !== undefined) query = query.where('t.name', 'like', `%${name.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`)
  if (cursor !== undefined) {
    const after = decodeCursor(cursor)
    query = query.where((eb) => eb(eb.refTuple('t.name', 't.id'), '>', eb.tuple(after.key, after.id)))
  }
  const rows = await queries.run(tenantId, query.compile())
  return pageOf(rows, limit, (row) => ({ key: row.name, id: row.id }))
}

export async function getTemplate(queries: TenantQueries, tenantId: string, id: string): Promise<TemplateView | undefined> {
  const [row] = await getTemplates(queries, tenantId, [id])
  return row
}

/** Those of the ids that exist, in no order. */
export async function getTemplates(queries: TenantQueries, tenantId: string, ids: readonly string[]): Promise<readonly TemplateView[]> {
  return ids.length === 0 ? [] : queries.run(tenantId, ofTenant(tenantId).where('t.id', 'in', ids).compile())
}

/** The templates of an account that we know of, or of one name in it: for whoever compares them with Meta's list, or deletes them all. */
export async function templateIdsOf(
  queries: TenantQueries,
  tenantId: string,
  { wabaId, name }: { wabaId: string; name?: string | undefined },
): Promise<readonly string[]> {
  let query = db.selectFrom('rm_templates.templates as t').where('t.tenant_id', '=', tenantId).where('t.waba_id', '=', wabaId).select('t.id')
  if (name !== undefined) query = query.where('t.name', '=', name)
  return (await queries.run(tenantId, query.compile())).map(({ id }) => id)
}

export type UnsettledTemplate = { readonly tenantId: string; readonly wabaId: string; readonly name: string; readonly languages: readonly string[] }

/** Rows of one look, and how many of them may be one account's: one that cannot be read keeps its rows for good, and must not be all that is looked at. */
const unsettledAtOnce = { all: 500, ofAccount: 20 }

/**
 * Templates of any tenant that Meta has to be asked about: heard of and never read, or submitted a while ago without an answer.
 * The oldest change of each account first; each name once, for one call tells of all its languages.
 */
export async function unsettledTemplates(queries: OperatorQueries, submittedBefore: Date): Promise<readonly UnsettledTemplate[]> {
  const rows = await queries.runAcross(
    db
      .selectFrom((from) =>
        from
          .selectFrom('rm_templates.templates as t')
          .select(['t.tenant_id', 't.waba_id', 't.name', 't.language', 't.updated_at'])
          .select(({ fn }) =>
            fn
              .agg<string>('row_number')
              .over((over) => over.partitionBy(['t.tenant_id', 't.waba_id']).orderBy('t.updated_at').orderBy('t.id'))
              .as('place'),
          )
          .where((eb) =>
            eb.or([eb('t.components', 'is', null), eb.and([eb('t.status', '=', 'SUBMITTING'), eb('t.updated_at', '<', submittedBefore)])]),
          )
          .as('u'),
      )
      .select(['u.tenant_id', 'u.waba_id', 'u.name', 'u.language'])
      .where('u.place', '<=', String(unsettledAtOnce.ofAccount))
      .orderBy('u.place')
      .orderBy('u.updated_at')
      .limit(unsettledAtOnce.all)
      .compile(),
  )
  const byName = Map.groupBy(rows, (row) => `${row.tenant_id} ${row.waba_id} ${row.name}`)
  return [...byName.values()].flatMap((same) => {
    const [first] = same
    if (first === undefined) return []
    return [{ tenantId: first.tenant_id, wabaId: first.waba_id, name: first.name, languages: same.map(({ language }) => language) }]
  })
}
