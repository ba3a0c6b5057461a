import { z } from 'zod'
import type { WouldAppend } from '../../commands/kernel/dry-run.ts'
import { isSecret } from '../../domain/kernel/secret.ts'
import { renderData } from '../events/render.ts'

/** An event of a dry run. */
export const wouldAppend = z
  .object({
    stream: z.object({ category: z.string(), id: z.string() }),
    version: z.number().int(),
    type: z.string(),
    occurred_at: z.string(),
    data: z.record(z.string(), z.unknown()).meta({ description: 'Personal fields are null' }),
  })
  .meta({ id: 'WouldAppend' })

/** Events of one delivery that are shown: history brings thousands, and the first ones tell what would happen. */
export const mostShown = 100

/** Nothing personal, not even sealed: what would be sealed was never written anywhere, so there is nothing that could be opened later. */
export const renderWould = ({ stream, version, event: { type, schemaVersion, data, meta } }: WouldAppend): z.infer<typeof wouldAppend> => ({
  stream: { category: stream.category, id: stream.id },
  version,
  type,
  occurred_at: meta.occurredAt,
  data: renderData(type, schemaVersion, Object.fromEntries(Object.entries(data).map(([name, value]) => [name, isSecret(value) ? null : value]))),
})
