/** A command that cannot be done as it was asked for: one sentence for whoever typed it, exit code 1. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused'
}
