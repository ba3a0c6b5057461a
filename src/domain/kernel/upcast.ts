type Data = Readonly<Record<string, unknown>>
type Upcaster = (older: Data) => Data

/**
 * Upcasters by event type: the one at place n turns schema version n + 1 into n + 2. Pure and chained, applied for every reader of the log, live and replayed.
 * To change a stored shape: append an upcaster here and a golden file of the old version under tests/events/golden. New optional fields need none.
 */
const upcasters: Readonly<Record<string, readonly Upcaster[]>> = {}

export const latestSchemaVersion = (type: string, chains = upcasters): number => (chains[type]?.length ?? 0) + 1

/** Whether there has only ever been one shape. */
export const isCurrent = (type: string): boolean => upcasters[type] === undefined

/** The data in its newest shape. A version from the future (a newer Recado wrote it) is handed on as it is. */
export function upcast(type: string, version: number, data: Data, chains = upcasters): Data {
  const chain = chains[type]
  // Nearly every event, and every one of the log in a rebuild.
  if (chain === undefined) return data
  return chain.slice(Math.max(0, version - 1)).reduce((older, up) => up(older), data)
}
