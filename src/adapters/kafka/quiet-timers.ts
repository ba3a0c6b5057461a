let quiet = false

/**
 * kafkajs 2.2.4 sets a timer to "the broker's last throttling - now", which is negative, and newer Node says so on stderr, once per process and harmlessly
 * (kafkajs#1751). That one warning is swallowed, every other one goes its way.
 */
export function quietTimers(): void {
  if (quiet) return
  quiet = true
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...more: never[]) => {
    if (String(more[0]) === 'TimeoutNegativeWarning') return
    Reflect.apply(emitWarning, undefined, [warning, ...more])
  }
}
