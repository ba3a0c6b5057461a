import type { AllStreamResolvedEvent, ResolvedEvent } from '@eventstore/db-client'

/**
 * Several logs on one server: the path of the connection string names one (`esdb://host:2113/acme?tls=false`), as the path names a database with PostgreSQL, and
 * `acme.` stands in front of the names of all its streams. Without a path nothing does. Known to nobody but those who call the server.
 */
export type Naming = {
  readonly prefix: string
  /** The name that the server knows. */
  readonly there: (streamName: string) => string
  /** An event under the name that we know; without the event, where it is of another log. */
  readonly here: <Resolved extends ResolvedEvent | AllStreamResolvedEvent>(resolved: Resolved) => Resolved
}

const address = /^([^:]+:\/\/[^/?]+)\/?([^?]*)(.*)$/s

/** The connection string as the client takes it, and the name of the log: that the client would refuse a path of its own accord. */
export function logOf(url: string): { readonly url: string; readonly name: string } {
  const [, server = url, name = '', options = ''] = address.exec(url) ?? []
  return { url: `${server}${options}`, name }
}

export function createNaming(name: string): Naming {
  const prefix = name === '' ? '' : `${name}.`
  return {
    prefix,
    there: (streamName) => `${prefix}${streamName}`,
    here(resolved) {
      const { event } = resolved
      if (prefix === '' || event === undefined) return resolved
      if (!event.streamId.startsWith(prefix)) return { ...resolved, event: undefined, commitPosition: event.position?.commit }
      return { ...resolved, event: { ...event, streamId: event.streamId.slice(prefix.length) } }
    },
  }
}
