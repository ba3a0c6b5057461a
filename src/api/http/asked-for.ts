/** The query as it was asked, for the entry about it. */
export const askedFor = (query: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(query).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value.slice(0, 200)]] : [])))
