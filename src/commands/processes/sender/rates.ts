/** What Meta says of a number that decides how fast it may send. */
export type ThroughputFacts = {
  /** STANDARD, HIGH, NOT_APPLICABLE … */
  readonly throughput?: string | undefined
  /** The number is also on a phone with the WhatsApp Business app. */
  readonly onBusinessApp?: boolean | undefined
}

/** A number of a business app never gets faster, whatever its level says. */
const coexistencePerSecond = 20
const perSecondOf: Readonly<Record<string, number>> = { HIGH: 1_000 }

/** Messages a second that Meta takes from a number; `standard` for all whose level says nothing else. */
export const allowedPerSecond = ({ throughput, onBusinessApp }: ThroughputFacts, standard: number): number =>
  onBusinessApp === true ? Math.min(coexistencePerSecond, standard) : (perSecondOf[throughput ?? ''] ?? standard)
