import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { Clock } from '../../../domain/kernel/clock.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import type { FetchTemplate } from '../../templates/fetch-template.ts'

export type Unsettled = { readonly tenantId: string; readonly wabaId: string; readonly name: string; readonly languages: readonly string[] }

export type TemplateKeeper = {
  readonly fetchTemplate: FetchTemplate
  /** Templates that Meta has to be asked about, as far as the read model knows: a hint, the template itself decides. */
  readonly unsettled: (submittedBefore: Date) => Promise<readonly Unsettled[]>
  readonly clock: Clock
  readonly log: Pick<Logger, 'warn'>
  readonly signal: AbortSignal
  readonly everyMs?: number
}

/** How long a submission may wait for its own call before it counts as one whose answer was lost. */
const graceMs = 60_000
/** Between two tries for one name: doubling, so that an account without credentials costs next to nothing. */
const firstPauseMs = 10_000
const longestPauseMs = 3_600_000

/**
 * Asks Meta about templates that were only heard of in a webhook, and about submissions whose answer never came; so nothing that Meta told is lost and no
 * template stays SUBMITTING for ever. Needs no lease: two keepers ask twice, and the second answer is no news. Its memory of failures is only about pace.
 */
export async function runTemplateKeeper({ fetchTemplate, unsettled, clock, log, signal, everyMs = 3_000 }: TemplateKeeper): Promise<void> {
  const failures = new LRUCache<string, { readonly times: number; readonly notBefore: number }>({ max: 10_000 })

  async function ask({ tenantId, wabaId, name, languages }: Unsettled, now: Date): Promise<void> {
    const key = `${tenantId} ${wabaId} ${name}`
    const failed = failures.get(key)
    if (failed !== undefined && now.getTime() < failed.notBefore) return
    const commandId = derivedId('keep template', tenantId, wabaId, name, now.toISOString())
    const fetched = await fetchTemplate(
      { wabaId, name, languages },
      { tenantId, actor: { kind: 'process', id: 'templates' }, commandId, correlationId: commandId, causationId: commandId, at: now },
    )
    const times = (failed?.times ?? 0) + 1
    // Read and still unsettled (not listed yet) is asked about more slowly, too.
    failures.set(key, { times, notBefore: now.getTime() + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(times - 1, 12)) })
    if ('refused' in fetched && times === 1) log.warn({ refused: fetched.refused, tenantId }, 'a template could not be read from Meta')
  }

  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    try {
      const now = clock()
      for (const one of await unsettled(new Date(now.getTime() - graceMs))) {
        if (signal.aborted) return
        await ask(one, now)
      }
    } catch (error) {
      log.warn({ err: error }, 'templates could not be looked through; trying again')
    }
  }
}
