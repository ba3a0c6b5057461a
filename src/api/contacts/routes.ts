import { z } from 'zod'
import { getContact, listContacts } from '../../projections/contacts/queries.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { ok } from '../http/call.ts'
import { pageOf, paging } from '../http/paging.ts'
import { problem } from '../http/problem.ts'
import { route, type Route } from '../http/route.ts'
import { listed } from '../messages/listed.ts'
import type { Opener } from '../messages/opening.ts'
import { renderContact, renderContacts } from './render.ts'
import { contact } from './schema.ts'

/** The people who wrote to the tenant, or were written to. */
export function contactRoutes({ reader, open }: { reader: TenantQueries; open: Opener }): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/contacts',
      tag: 'Contacts',
      summary: 'Contacts, newest first',
      access: 'contacts:read',
      query: z.object(paging),
      responses: { 200: { description: 'A page of contacts', schema: pageOf(contact) } },
      reads: ['contacts'],
      handle: async ({ tenantId, query }) => listed(listContacts(reader, tenantId, query), (rows) => renderContacts(tenantId, rows, open)),
    }),
    route({
      method: 'get',
      path: '/v1/contacts/{id}',
      tag: 'Contacts',
      summary: 'One contact',
      access: 'contacts:read',
      params: z.object({ id: z.string().min(1).max(100) }),
      responses: { 200: { description: 'The contact', schema: contact } },
      reads: ['contacts'],
      async handle({ tenantId, params: { id } }) {
        const row = await getContact(reader, tenantId, id)
        if (row === undefined) throw problem('not_found')
        return ok(await renderContact(tenantId, row, open), { version: row.version })
      },
    }),
  ]
}
