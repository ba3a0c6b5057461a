import type { Directory } from '../../commands/directory/directory.ts'
import type { TemplateDone } from '../../commands/templates/refusals.ts'
import type { TenantQueries } from '../../postgres/queries.ts'
import { getTemplate } from '../../projections/templates/queries.ts'
import type { ReadAfter } from '../http/idempotency.ts'
import { renderTemplate, rowOfDecided, type TemplateBody } from './render.ts'

export const templateReads = ['templates']
const shownWithinMs = 2_000

export type TemplateViewDeps = {
  readonly queries: TenantQueries
  readonly directory: Pick<Directory, 'channelOf' | 'channelsOf'>
  readonly readAfter: ReadAfter
}

/** The template as it is after a command: read once the read model has it, else told from what was decided. */
export async function templateAfter(
  { queries, directory, readAfter }: TemplateViewDeps,
  tenantId: string,
  done: TemplateDone,
  at: Date,
): Promise<TemplateBody> {
  const row = (await readAfter(templateReads, done.position, shownWithinMs)) ? await getTemplate(queries, tenantId, done.templateId) : undefined
  return renderTemplate(row ?? rowOfDecided(done, at), directory.channelsOf(tenantId))
}
