import { z } from 'zod'
import type { TenantLogs } from '../../domain/kernel/event-store.ts'
import { contacts } from '../../projections/contacts/projection.ts'
import { getContact, listContacts, type ContactView } from '../../projections/contacts/queries.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'
import type { Opener } from '../messages/opening.ts'
import { momentProblems, type ReaderAt } from '../past/lists.ts'
import { asOf } from '../past/moment.ts'
import { shown } from '../past/shown.ts'
import { renderContact, renderContacts } from './render.ts'
import { contact } from './schema.ts'

/** The people who wrote to the tenant, or were written to. */
export function contactRoutes({
  reader,
  readerAt,
  logOf,
  open,
}: {
  reader: TenantQueries
  readerAt: ReaderAt
  logOf: TenantLogs
  open: Opener
}): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/contacts',
      tag: 'Contacts',
      summary: 'Contacts, newest first',
      access: 'contacts:read',
      query: z.object({ ...paging, as_of: asOf }),
      responses: { 200: { description: 'A page of contacts', schema: pageOf(contact) } },
      reads: ['contacts'],
      problems: momentProblems,
      async handle({ tenantId, query: { as_of: moment, ...query } }) {
        const { queries, position } = await readerAt(tenantId, [contacts], moment)
        return listed(listContacts(queries, tenantId, query), (rows) => renderContacts(tenantId, rows, open), position)
      },
    }),
    route({
      method: 'get',
      path: '/v1/contacts/{id}',
      tag: 'Contacts',
      summary: 'One contact',
      access: 'contacts:read',
      params: z.object({ id: z.string().min(1).max(100) }),
      query: z.object({ as_of: asOf }),
      responses: { 200: { description: 'The contact', schema: contact } },
      reads: ['contacts'],
      async handle({ tenantId, params: { id }, query: { as_of: moment } }) {
        const { row, position } = await shown<ContactView>(logOf(tenantId), { projection: contacts, tenantId, id, moment }, () =>
          getContact(reader, tenantId, id),
        )
        if (row === undefined) throw problem('not_found')
        return ok(await renderContact(tenantId, row, open), { version: row.version, position })
      },
    }),
  ]
}
