import type { Logger } from 'pino'
import { start, type Position } from '../../../domain/kernel/position.ts'
import { pause } from '../../../postgres/pause.ts'
import { PublicationTrouble } from '../../ports/publication.ts'

export type TroubleNews = { readonly kind: 'trouble'; readonly trouble: PublicationTrouble['kind'] | 'here' }

/** How a part of the log is to be published in which something was refused: in pieces of so many events; at last without what is in them. */
export type Care = { readonly through: Position; readonly size: number; readonly placesOnly: boolean }

/**
 * What went wrong, over all openings of a publication: SOUND → DISTURBED (waits longer each time) → SOUND with the first page that is through.
 * What is over within seconds is nobody's business (a broker restarts, a leader moves, a topic was just made); what lasts is told once, and its end.
 */
export type Disturbance = {
  readonly care: (through: Position) => Care | undefined
  /** What is being published now: the one to look into when it is refused. */
  readonly trying: (through: Position, events: number) => void
  /** Returns when it is time to open again, or the signal ends. */
  readonly happened: (error: unknown, signal: AbortSignal) => Promise<void>
  readonly over: () => void
}

const quietMs = 3_000
const firstMs = 150
const mostMs = 5_000
const untilSomebodyDoesSomethingMs = 10_000

export function createDisturbance({
  publication: { name: topic },
  log,
  onNews,
}: {
  publication: { readonly name: string }
  log: Logger
  onNews?: (news: TroubleNews) => void
}): Disturbance {
  let inARow = 0
  let since = 0
  let told: string | undefined
  let careful: Care | undefined
  let tried = { through: start, events: 0 }

  function tell(error: unknown, kind: PublicationTrouble['kind'] | 'here'): void {
    const what = kind === 'unfit' && error instanceof Error ? error.message : kind
    if (what === told || (kind !== 'unfit' && (inARow < 2 || performance.now() - since < quietMs)))
      return log.debug({ err: error, topic }, 'publishing was disturbed')
    told = what
    if (kind === 'unfit') log.error({ topic }, what)
    else if (kind === 'refused') log.warn({ topic, err: error }, 'Kafka refuses something: looking for it')
    else if (kind === 'here') log.warn({ topic, err: error }, 'publishing is disturbed; events wait in the log')
    else log.warn({ topic, reason: String(error) }, 'Kafka cannot be written to; events wait in the log')
  }

  return {
    care: (through) => (careful !== undefined && through <= careful.through ? careful : undefined),
    trying: (through, events) => void (tried = { through, events }),
    async happened(error, signal) {
      const kind = error instanceof PublicationTrouble ? error.kind : 'here'
      if (inARow++ === 0) since = performance.now()
      onNews?.({ kind: 'trouble', trouble: kind })
      tell(error, kind)
      if (kind === 'refused') {
        const through = careful !== undefined && careful.through >= tried.through ? careful.through : tried.through
        // Alone it was refused too: its place is published. From there on the rest of the part is tried in small pieces.
        careful =
          tried.events <= 1
            ? { through: tried.through, size: 1, placesOnly: true }
            : { through, size: Math.ceil(tried.events / 2), placesOnly: false }
      }
      const wait = kind === 'unfit' ? untilSomebodyDoesSomethingMs : Math.min(mostMs, firstMs * 2 ** Math.min(inARow - 1, 10))
      await pause(wait * (0.75 + Math.random() / 2), signal)
    },
    over() {
      if (told !== undefined) log.info({ topic }, 'publishing again')
      told = undefined
      inARow = 0
      if (careful !== undefined && tried.through >= careful.through) careful = undefined
    },
  }
}
